//! Room inbound.
