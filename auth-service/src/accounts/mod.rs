//! Use cases of people.
