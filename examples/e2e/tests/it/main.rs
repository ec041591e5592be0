//! End to end, over real sockets. One binary, so that it is linked once.

mod flow;
mod mcp_session;
mod metadata;
mod metadata_documents;
mod restart;
mod rmcp_client;
