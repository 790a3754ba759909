"""What builds and checks the project itself; none of it is shipped."""
