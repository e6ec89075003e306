//! Room webmail.
