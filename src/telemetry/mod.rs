//! Metric names and logs.
