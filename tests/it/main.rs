//! Tests of the real binary: what it prints and how it ends, and what a real API server holds afterwards.
//!
//! One binary for all, so that it links once; a module a subject.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects by failing")]

mod classes;
mod helm;
mod input;
mod install;
mod release;
mod support;
mod values_compare;
