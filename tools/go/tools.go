//go:build tools

// Package tools pins the programs written in Go that the tests use; tools/programs.py builds them.
package tools

import _ "github.com/fullstorydev/grpcurl/cmd/grpcurl"
