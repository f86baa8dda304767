"""The impure shell: processes, threads, sockets, clocks; Ray in `launch` alone."""
