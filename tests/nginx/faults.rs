//! What breaks around the module, systematically. What clients and operators see of it stands in docs/failures.md.

mod answers;
mod clients;
mod clock;
mod cuts;
mod disk;
mod killed;
mod memory;
mod scarce;
mod vanished;
