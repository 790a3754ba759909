"""What serving costs: every way of serving the same release, measured side by side.

python -m benchmarks            # `make bench`: measures, prints, and stores the results
python -m benchmarks --quick    # half a minute or so; prints and stores nothing
"""
