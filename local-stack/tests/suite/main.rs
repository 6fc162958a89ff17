//! The program for a first look, and the documentation: its samples, links, tables and manifests.

mod arrows;
mod first_steps;
mod guides;
mod kubernetes;
mod links;
mod operator_commands;
mod python_services;
mod readme;
mod reference;
mod sbom;
mod support;
