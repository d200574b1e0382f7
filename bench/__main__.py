"""`python -m bench`."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from bench.table import main

if __name__ == "__main__":
    main()
