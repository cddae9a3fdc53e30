//! The module as nginx sees it: tables, hooks and entry points.
//!
//! There are two modules in the file. `ngx_http_mcp_module` stands before nginx's upstream and proxy modules, so that it
//! sees their directives first and can complete a tool's location before they merge theirs.
//! `ngx_http_mcp_filter_module` stands before the copy filter, so that responses reach it in memory.

use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::audience::StreamCounts;
use super::buf::Chain;
use super::conf::{Conf, finish_location, report, set_directive};
use super::digests::ListDigests;
use super::entry::guard;
use super::log::Log;
use super::request::{Request, Status};
use super::sessions::SessionStates;
use super::shared_table::SharedTable;
use super::sys::*;
use crate::bus::Memory;
use crate::conf::{Error, LocationConf, MainConf, find_published};
use crate::directives::DIRECTIVES;
use crate::handler::Judged;
use crate::{filter, handler, listening, publish, variables, websocket};

/// The context inside `mcp_tool { … }`: a bit of `ngx_command_t.type` that nginx does not use.
pub(crate) const NGX_HTTP_MCP_TOOL_CONF: u32 = 0x0010_0000;
/// Inside `mcp_openapi { … }`, likewise.
pub(crate) const NGX_HTTP_MCP_OPENAPI_CONF: u32 = 0x0020_0000;
/// Inside `mcp_openapi { tool … { … } }`, likewise.
pub(crate) const NGX_HTTP_MCP_OPERATION_CONF: u32 = 0x0040_0000;
/// The place of a directive inside of `mcp_resource`.
pub(crate) const NGX_HTTP_MCP_RESOURCE_CONF: u32 = 0x0080_0000;
/// The place of a directive inside of `mcp_upstream`.
pub(crate) const NGX_HTTP_MCP_UPSTREAM_CONF: u32 = 0x0002_0000;
/// The place of a directive inside of `mcp_prompt`.
pub(crate) const NGX_HTTP_MCP_PROMPT_CONF: u32 = 0x0008_0000;

/// Statics that nginx fills in while it is still single-threaded, and only reads afterwards.
#[repr(transparent)]
pub(crate) struct Shared<T>(T);

// SAFETY: see the type's comment; nginx's configuration phase and its workers are single-threaded.
unsafe impl<T> Sync for Shared<T> {}

static COMMANDS: Shared<[ngx_command_t; DIRECTIVES.len() + 1]> = Shared(commands());

const fn commands() -> [ngx_command_t; DIRECTIVES.len() + 1] {
    const END: ngx_command_t = ngx_command_t {
        name: ngx_str_t { len: 0, data: ptr::null_mut() },
        type_: 0,
        set: None,
        conf: 0,
        offset: 0,
        post: ptr::null_mut(),
    };
    let mut commands = [END; DIRECTIVES.len() + 1];
    let mut index = 0;
    while index < DIRECTIVES.len() {
        let directive = &DIRECTIVES[index];
        commands[index] = ngx_command_t {
            name: ngx_str_t { len: directive.name.count_bytes(), data: directive.name.as_ptr().cast_mut().cast() },
            type_: directive.kind as ngx_uint_t,
            set: Some(set_directive),
            conf: std::mem::offset_of!(ngx_http_conf_ctx_t, loc_conf) as ngx_uint_t,
            offset: 0,
            post: ptr::from_ref(directive).cast_mut().cast(),
        };
        index += 1;
    }
    commands
}

static CONTEXT: Shared<ngx_http_module_t> = Shared(ngx_http_module_t {
    preconfiguration: Some(preconfiguration),
    postconfiguration: Some(postconfiguration),
    create_main_conf: Some(create_main_conf),
    init_main_conf: None,
    create_srv_conf: None,
    merge_srv_conf: None,
    create_loc_conf: Some(create_loc_conf),
    merge_loc_conf: Some(merge_loc_conf),
});

static FILTER_CONTEXT: Shared<ngx_http_module_t> = Shared(ngx_http_module_t {
    preconfiguration: None,
    postconfiguration: Some(filter_postconfiguration),
    create_main_conf: None,
    init_main_conf: None,
    create_srv_conf: None,
    merge_srv_conf: None,
    create_loc_conf: None,
    merge_loc_conf: None,
});

type Init = Option<unsafe extern "C" fn(*mut ngx_cycle_t) -> ngx_int_t>;

const fn module(
    context: &'static Shared<ngx_http_module_t>,
    commands: *const ngx_command_t,
    init_module: Init,
    init_process: Init,
) -> ngx_module_t {
    ngx_module_t {
        ctx_index: ngx_uint_t::MAX,
        index: ngx_uint_t::MAX,
        name: ptr::null_mut(),
        spare0: 0,
        spare1: 0,
        version: nginx_version as ngx_uint_t,
        signature: NGX_HTTP_MCP_SIGNATURE.as_ptr().cast(),
        ctx: ptr::from_ref(&context.0).cast_mut().cast(),
        commands: commands.cast_mut(),
        type_: NGX_HTTP_MODULE as ngx_uint_t,
        init_master: None,
        init_module,
        init_process,
        init_thread: None,
        exit_thread: None,
        exit_process: None,
        exit_master: None,
        spare_hook0: 0,
        spare_hook1: 0,
        spare_hook2: 0,
        spare_hook3: 0,
        spare_hook4: 0,
        spare_hook5: 0,
        spare_hook6: 0,
        spare_hook7: 0,
    }
}

#[unsafe(no_mangle)]
static mut ngx_http_mcp_module: ngx_module_t =
    module(&CONTEXT, ptr::from_ref(&COMMANDS.0).cast(), Some(init_module), Some(init_process));

#[unsafe(no_mangle)]
static mut ngx_http_mcp_filter_module: ngx_module_t = module(&FILTER_CONTEXT, ptr::null(), None, None);

#[unsafe(no_mangle)]
static ngx_modules: Shared<[*const ngx_module_t; 3]> =
    Shared([&raw const ngx_http_mcp_module, &raw const ngx_http_mcp_filter_module, ptr::null()]);

#[unsafe(no_mangle)]
static ngx_module_names: Shared<[*const c_char; 3]> =
    Shared([c"ngx_http_mcp_module".as_ptr(), c"ngx_http_mcp_filter_module".as_ptr(), ptr::null()]);

#[unsafe(no_mangle)]
static ngx_module_order: Shared<[*const c_char; 5]> = Shared([
    c"ngx_http_mcp_module".as_ptr(),
    c"ngx_http_upstream_module".as_ptr(),
    c"ngx_http_mcp_filter_module".as_ptr(),
    c"ngx_http_copy_filter_module".as_ptr(),
    ptr::null(),
]);

/// The module, for its `ctx_index`.
pub(crate) fn mcp_module() -> &'static ngx_module_t {
    // SAFETY: nginx writes the indices while it loads the module, before any code of ours runs, and never again.
    unsafe { &*std::ptr::addr_of!(ngx_http_mcp_module) }
}

/// A configuration is about to be run, in the master.
extern "C" fn init_module(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    // SAFETY: the cycle that has it is not freed before this.
    unsafe { mcp_take_log_back() };
    if let Some(main) = main_conf(cycle) {
        guard(Log::cycle(), (), || main.announce());
    }
    match super::audience::make(cycle) {
        status if status == NGX_OK as ngx_int_t => super::bell::make(cycle),
        status => status,
    }
}

/// A process has begun, which need not be one that answers requests.
extern "C" fn init_process(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    // SAFETY: nginx sets it before it starts the process.
    let is_worker = matches!(unsafe { ngx_process } as u32, NGX_PROCESS_WORKER | NGX_PROCESS_SINGLE);
    if let Some(main) = main_conf(cycle).filter(|_| is_worker) {
        guard(Log::cycle(), (), || main.begin());
    }
    NGX_OK as ngx_int_t
}

/// The module's configuration of `http {}`, if the cycle has one.
fn main_conf(cycle: *mut ngx_cycle_t) -> Option<&'static MainConf> {
    // SAFETY: the cycle has the configuration of every module, as long as anything runs in it; that of HTTP is null where
    // there is no `http {}`.
    unsafe {
        let context = (*(*cycle).conf_ctx.add(ngx_http_module.index)).cast::<ngx_http_conf_ctx_t>();
        context.as_ref().map(|context| &*(*context.main_conf.add(mcp_module().ctx_index)).cast::<MainConf>())
    }
}

extern "C" fn preconfiguration(cf: *mut ngx_conf_t) -> ngx_int_t {
    let added = variables::VARIABLES.iter().all(|variable| super::variable::add(cf, variable));
    if added { NGX_OK as ngx_int_t } else { NGX_ERROR as ngx_int_t }
}

extern "C" fn create_main_conf(cf: *mut ngx_conf_t) -> *mut c_void {
    // SAFETY: `cf` is nginx's, which begins to read `http {}`.
    if unsafe { mcp_lend_log(cf) } != NGX_OK as ngx_int_t {
        return ptr::null_mut();
    }
    let memory = || {
        Some(Memory {
            messages: SharedTable::add(cf)?,
            lists: ListDigests::add(cf)?,
            subscriptions: SharedTable::add(cf)?,
            audience: StreamCounts::add(cf)?,
            leases: SharedTable::add(cf)?,
        })
    };
    let (Some(memory), Some(states)) = (memory(), SessionStates::add(cf)) else { return ptr::null_mut() };
    Conf::new(cf).pool().keep(MainConf::new(states, memory)).map_or(ptr::null_mut(), |conf| conf.as_ptr().cast())
}

extern "C" fn create_loc_conf(cf: *mut ngx_conf_t) -> *mut c_void {
    Conf::new(cf).pool().keep(LocationConf::default()).map_or(ptr::null_mut(), |conf| conf.as_ptr().cast())
}

extern "C" fn merge_loc_conf(cf: *mut ngx_conf_t, prev: *mut c_void, conf: *mut c_void) -> *mut c_char {
    // SAFETY: both are what `create_loc_conf` made, of two different levels; the main one is `create_main_conf`'s.
    let (main, prev, conf) = unsafe {
        let context = (*cf).ctx.cast::<ngx_http_conf_ctx_t>();
        let main = *(*context).main_conf.add(mcp_module().ctx_index);
        (&mut *main.cast::<MainConf>(), &*prev.cast::<LocationConf>(), &mut *conf.cast::<LocationConf>())
    };
    let cf = Conf::new(cf);
    let outcome = guard(Log::cycle(), Err(Error::Logged), || conf.merge(cf, main, prev));
    report(cf, "", outcome)
}

extern "C" fn postconfiguration(cf: *mut ngx_conf_t) -> ngx_int_t {
    // SAFETY: as in `merge_loc_conf`.
    let main = unsafe {
        let context = (*cf).ctx.cast::<ngx_http_conf_ctx_t>();
        &*(*(*context).main_conf.add(mcp_module().ctx_index)).cast::<MainConf>()
    };
    if !report(Conf::new(cf), "", find_published(Conf::new(cf), main)).is_null() {
        return NGX_ERROR as ngx_int_t;
    }
    for (loc_conf, is_tool) in &main.locations {
        finish_location(Conf::new(cf), *loc_conf, *is_tool);
    }
    if main.has_documents {
        // SAFETY: what is in use stays.
        unsafe { mcp_trim_heap() };
    }
    NGX_OK as ngx_int_t
}

/// The handler of the rewrite phase is registered here, later than nginx's rewrite module does: of one phase the handler
/// that is registered last runs first, so that `if` and `set` see the `$mcp_*` variables.
extern "C" fn filter_postconfiguration(cf: *mut ngx_conf_t) -> ngx_int_t {
    // SAFETY: the core module's main configuration exists, and the filter chain's ends are nginx's globals; both are
    // changed as nginx's own filters change them.
    unsafe {
        let context = (*cf).ctx.cast::<ngx_http_conf_ctx_t>();
        let core = (*(*context).main_conf.add(ngx_http_core_module.ctx_index)).cast::<ngx_http_core_main_conf_t>();
        let handlers = &mut (*core).phases[NGX_HTTP_REWRITE_PHASE as usize].handlers;
        let slot = ngx_array_push(handlers).cast::<ngx_http_handler_pt>();
        if slot.is_null() {
            return NGX_ERROR as ngx_int_t;
        }
        *slot = Some(rewrite);
        // Before all others of the first phase: a request that is admitted goes through none.
        let handlers = &mut (*core).phases[NGX_HTTP_POST_READ_PHASE as usize].handlers;
        let slot = ngx_array_push(handlers).cast::<ngx_http_handler_pt>();
        if slot.is_null() {
            return NGX_ERROR as ngx_int_t;
        }
        *slot = Some(post_read);

        NEXT_HEADER_FILTER.store(pointer(ngx_http_top_header_filter.map(|f| f as *mut c_void)), Ordering::Relaxed);
        ngx_http_top_header_filter = Some(header_filter);
        NEXT_BODY_FILTER.store(pointer(ngx_http_top_body_filter.map(|f| f as *mut c_void)), Ordering::Relaxed);
        ngx_http_top_body_filter = Some(body_filter);
    }
    NGX_OK as ngx_int_t
}

fn pointer(function: Option<*mut c_void>) -> *mut c_void {
    function.unwrap_or(ptr::null_mut())
}

static NEXT_HEADER_FILTER: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
static NEXT_BODY_FILTER: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// Hands the header on to the filters behind ours.
pub(crate) fn next_header_filter(request: Request) -> Status {
    // SAFETY: the static holds null or a header filter, and null is `None`.
    let next: ngx_http_output_header_filter_pt =
        unsafe { std::mem::transmute(NEXT_HEADER_FILTER.load(Ordering::Relaxed)) };
    match next {
        // SAFETY: a filter of this nginx and a live request.
        Some(filter) => Status(unsafe { filter(request.as_ptr()) }),
        None => Status::ERROR,
    }
}

/// Hands a chain on to the filters behind ours.
pub(crate) fn next_body_filter(request: Request, chain: *mut ngx_chain_t) -> Status {
    // SAFETY: as in `next_header_filter`.
    let next: ngx_http_output_body_filter_pt = unsafe { std::mem::transmute(NEXT_BODY_FILTER.load(Ordering::Relaxed)) };
    match next {
        // SAFETY: as in `next_header_filter`; the chain is nginx's or was made in the request's pool.
        Some(filter) => Status(unsafe { filter(request.as_ptr(), chain) }),
        None => Status::ERROR,
    }
}

/// Asks the filters behind ours to go on with what they have.
pub(crate) fn flush(request: Request) -> Status {
    next_body_filter(request, ptr::null_mut())
}

fn enter(r: *mut ngx_http_request_t, act: fn(Request) -> Status) -> ngx_int_t {
    let Some(request) = Request::new(r) else { return NGX_ERROR as ngx_int_t };
    guard(request.log(), Status::INTERNAL_SERVER_ERROR, || act(request)).0
}

extern "C" fn post_read(r: *mut ngx_http_request_t) -> ngx_int_t {
    enter(r, handler::post_read)
}

extern "C" fn rewrite(r: *mut ngx_http_request_t) -> ngx_int_t {
    enter(r, handler::rewrite)
}

pub(crate) extern "C" fn content(r: *mut ngx_http_request_t) -> ngx_int_t {
    enter(r, handler::content)
}

pub(crate) extern "C" fn body_ready(r: *mut ngx_http_request_t) {
    let Some(request) = Request::new(r) else { return };
    let failed = Judged::Ends(Status::INTERNAL_SERVER_ERROR);
    guard(request.log(), failed, || handler::body_ready(request)).carry_out(request);
}

pub(crate) extern "C" fn body_event(r: *mut ngx_http_request_t) {
    let Some(request) = Request::new(r) else { return };
    guard(request.log(), (), || handler::body_event(request));
}

pub(crate) extern "C" fn publish(r: *mut ngx_http_request_t) -> ngx_int_t {
    enter(r, publish::content)
}

pub(crate) extern "C" fn publish_ready(r: *mut ngx_http_request_t) {
    let Some(request) = Request::new(r) else { return };
    let failed = Some(Status::INTERNAL_SERVER_ERROR);
    if let Some(status) = guard(request.log(), failed, || publish::body_ready(request)) {
        request.finalize(status);
    }
}

/// From now on the client's connection is a WebSocket.
pub(crate) fn hold_conversation(request: Request) {
    request.hold_connection(conversation_event);
}

extern "C" fn conversation_event(r: *mut ngx_http_request_t) {
    let Some(request) = Request::new(r) else { return };
    guard(request.log(), (), || websocket::event(request));
}

pub(super) extern "C" fn writable(r: *mut ngx_http_request_t) {
    let Some(request) = Request::new(r) else { return };
    guard(request.log(), (), || listening::writable(request));
}

pub(crate) extern "C" fn upstream_finished(r: *mut ngx_http_request_t, rc: ngx_int_t) {
    let Some(request) = Request::new(r) else { return };
    guard(request.log(), (), || filter::upstream_finished(request, Status(rc)));
}

extern "C" fn header_filter(r: *mut ngx_http_request_t) -> ngx_int_t {
    let Some(request) = Request::new(r) else { return NGX_ERROR as ngx_int_t };
    guard(request.log(), Status::ERROR, || filter::header(request)).0
}

extern "C" fn body_filter(r: *mut ngx_http_request_t, chain: *mut ngx_chain_t) -> ngx_int_t {
    let Some(request) = Request::new(r) else { return NGX_ERROR as ngx_int_t };
    guard(request.log(), Status::ERROR, || match filter::body(request, Chain::new(chain)) {
        filter::Pass::Chain => next_body_filter(request, chain),
        filter::Pass::Nothing(status) => status,
    })
    .0
}
