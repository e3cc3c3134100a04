"""The benchmarks: counts and ratios that hold on any machine; no test asserts a time."""
