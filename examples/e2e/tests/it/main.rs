//! End to end, over real sockets. One binary, so that it is linked once.

mod admission;
mod elsewhere;
mod flow;
mod history;
mod limits;
mod metadata;
mod metadata_documents;
mod resources;
mod restart;
mod rmcp_client;
mod step_up;
mod tool_reading;
mod upstream_tokens;
mod web;
