//! Tests of sources against a registry that misbehaves on purpose, and against layouts and archives.

mod archives;
mod conformance;
mod evidence;
mod faults;
mod kit;
mod lab;
mod layouts;
mod login;
mod platforms;
mod publish;
mod tls;
