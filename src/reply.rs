//! A reply of the core on its way to the client.

use mcp::http::{Body, HttpReply};

use crate::context::Context;
use crate::ngx::{self, Level, Request, Status};
use crate::record;

/// Sends the header of a stream of events.
pub(crate) fn begin_stream(request: Request, reply: &HttpReply) -> Status {
    let out = request.headers_out();
    out.set(reply.status, reply.content_type, None);
    for (name, value) in &reply.headers {
        if out.push(name, value) != Status::OK {
            return Status::ERROR;
        }
    }
    ngx::next_header_filter(request)
}

/// Ends a stream of events with the body of a reply.
pub(crate) fn end_stream(request: Request, context: &'static Context, reply: HttpReply) -> Status {
    finish(request, context, &reply);
    request.headers_out().set_status(reply.status);
    let end = match reply.body {
        Body::Empty => Vec::new(),
        Body::Bytes(bytes) => bytes,
        Body::Page { mut head, page } => {
            head.extend_from_slice(&page);
            head
        }
    };
    context.outbox.borrow_mut().send(request, end, true)
}

/// Sends the reply to a call, or the end of its stream if that has begun.
pub(crate) fn finish_call(request: Request, context: &'static Context, is_open: bool, reply: HttpReply) -> Status {
    if is_open {
        return end_stream(request, context, reply);
    }
    request.headers_out().clear();
    send(request, context, reply)
}

fn finish(request: Request, context: &'static Context, reply: &HttpReply) {
    context.finish(reply.outcome);
    for note in &reply.notes {
        request.log().write(Level::Warn, format_args!("{note}"));
    }
    for record in &reply.records {
        record::tell(request, context.location, record);
    }
}

/// Sends a whole reply to the filters behind ours; after it nothing else of this request reaches the client.
pub(crate) fn send(request: Request, context: &'static Context, reply: HttpReply) -> Status {
    finish(request, context, &reply);
    let body = context.keep_body(reply.body);
    let parts: [&[u8]; 2] = match body {
        Body::Empty => [&[], &[]],
        Body::Bytes(bytes) => [bytes, &[]],
        Body::Page { head, page } => [head, page],
    };
    let out = request.headers_out();
    out.set(reply.status, reply.content_type, Some(parts[0].len() + parts[1].len()));
    for (name, value) in &reply.headers {
        if out.push(name, value) != Status::OK {
            return Status::ERROR;
        }
    }
    let status = ngx::next_header_filter(request);
    if status == Status::ERROR || status.0 > 0 || request.header_only() {
        return status;
    }
    match ngx::response(request, parts) {
        Some(chain) => ngx::next_body_filter(request, chain),
        None => Status::ERROR,
    }
}
