//! Room outbound.
