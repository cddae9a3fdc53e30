//! nginx's configuration while it is read.

use std::ffi::{CStr, c_char, c_void};
use std::path::{Path, PathBuf};
use std::ptr;

use super::log::one_line;
use super::module::mcp_module;
use super::pool::Pool;
use super::string::{borrowed, bytes};
use super::sys::*;
use crate::conf::{Draft, Error, LocationConf};
use crate::directives::Directive;

/// The configuration parser at one directive, or while levels are merged.
#[derive(Clone, Copy)]
pub(crate) struct Conf(*mut ngx_conf_t);

/// The configuration of one location, for all modules: what `r->loc_conf` points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LocationContext(*mut ngx_http_conf_ctx_t);

/// A location's function for requests.
pub(crate) type ContentHandler = unsafe extern "C" fn(*mut ngx_http_request_t) -> ngx_int_t;

/// Where in the configuration files something stands.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    file: ngx_str_t,
    line: ngx_uint_t,
}

impl LocationContext {
    /// Our own configuration of the location.
    pub(crate) fn own_conf<'a>(self) -> &'a mut LocationConf {
        // SAFETY: `new_location` filled our slot; nobody else looks at it while the configuration is read.
        unsafe { &mut *(*self.loc_conf().add(mcp_module().ctx_index)).cast() }
    }

    /// Whether `disable_symlinks` was given for it.
    pub(crate) fn says_of_symlinks(self) -> bool {
        // SAFETY: the core module has a configuration in every location.
        unsafe { (*core_loc_conf(self.loc_conf())).disable_symlinks != ngx_uint_t::MAX }
    }

    /// The type of a file in it, as nginx says when it is read: that of `types`, or `default_type`.
    pub(crate) fn media_type(self, path: &str) -> Option<String> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default();
        let (data, length) = (extension.as_ptr().cast_mut(), extension.len());
        // SAFETY: the core module has a configuration in every location, whose hash is complete once it is merged; nginx only
        // reads the extension, and the values are strings of the configuration.
        let media_type = unsafe {
            let core = core_loc_conf(self.loc_conf());
            let found = ngx_hash_find(&raw mut (*core).types_hash, ngx_hash_key(data, length), data, length);
            found.cast::<ngx_str_t>().as_ref().map_or(bytes(&(*core).default_type), bytes)
        };
        Some(String::from_utf8_lossy(media_type).into_owned()).filter(|media_type| !media_type.is_empty())
    }

    /// nginx's own pointer to the location's context.
    pub(super) fn as_ptr(self) -> *mut ngx_http_conf_ctx_t {
        self.0
    }

    /// The array that a request is moved into the location with.
    pub(crate) fn loc_conf(self) -> *mut *mut c_void {
        // SAFETY: made by `Conf::new_location` in the cycle's pool.
        unsafe { (*self.0).loc_conf }
    }
}

impl Conf {
    pub(crate) fn new(cf: *mut ngx_conf_t) -> Conf {
        Conf(cf)
    }

    pub(super) fn as_ptr(self) -> *mut ngx_conf_t {
        self.0
    }

    fn raw<'a>(self) -> &'a mut ngx_conf_t {
        // SAFETY: nginx's parser keeps `cf` for as long as it reads; handles do not leave a directive or a merge.
        unsafe { &mut *self.0 }
    }

    pub(crate) fn pool(self) -> Pool {
        Pool::new(self.raw().pool)
    }

    /// The directive's words after its name.
    pub(crate) fn arguments(self) -> Result<Vec<&'static str>, Error> {
        let words = self.words();
        words[1.min(words.len())..]
            .iter()
            .map(|word| std::str::from_utf8(bytes(word)).map_err(|_| Error::new("must be UTF-8")))
            .collect()
    }

    fn words(self) -> &'static [ngx_str_t] {
        // SAFETY: `args` holds the words of the current directive; they live in the configuration's pool.
        unsafe {
            let args = &*self.raw().args;
            std::slice::from_raw_parts(args.elts.cast(), args.nelts)
        }
    }

    /// Writes an `[emerg]` with file and line.
    pub(crate) fn emerg(self, text: &str) {
        self.log(NGX_LOG_EMERG, text);
    }

    /// Writes a `[warn]` with file and line.
    pub(crate) fn warn(self, text: &str) {
        self.log(NGX_LOG_WARN, text);
    }

    /// Writes a `[notice]` with file and line.
    pub(crate) fn notice(self, text: &str) {
        self.log(NGX_LOG_NOTICE, text);
    }

    fn log(self, level: u32, text: &str) {
        let text = one_line(text);
        // SAFETY: the format takes a length and a pointer.
        unsafe { ngx_conf_log_error(level as usize, self.0, 0, c"%*s".as_ptr(), text.len(), text.as_ptr()) }
    }

    /// A path of the configuration, relative ones beside nginx.conf.
    pub(crate) fn full_path(self, name: &str) -> Result<PathBuf, Error> {
        let mut full = self.pool().string(name.as_bytes()).ok_or_else(Error::memory)?;
        // SAFETY: the cycle's prefixes are set before it reads its configuration.
        if unsafe { ngx_conf_full_name(self.raw().cycle, &mut full, 1) } != NGX_OK as ngx_int_t {
            return Err(Error::Logged);
        }
        let path = std::str::from_utf8(bytes(&full)).map_err(|_| Error::new("path must be UTF-8"))?;
        Ok(Path::new(path).to_owned())
    }

    /// Where the parser is.
    pub(crate) fn place(self) -> Place {
        // SAFETY: a directive is read from a file, or from `-g`, which is a file to the parser too.
        unsafe {
            let file = &*self.raw().conf_file;
            Place { file: file.file.name, line: file.line }
        }
    }

    /// Runs `act` with messages pointing at `place`.
    pub(crate) fn at<T>(self, place: Place, act: impl FnOnce(Conf) -> T) -> T {
        // SAFETY: all-zero is a valid ngx_conf_file_t; any descriptor but NGX_INVALID_FILE makes nginx print the name.
        let mut file: ngx_conf_file_t = unsafe { std::mem::zeroed() };
        file.file.fd = -2;
        file.file.name = place.file;
        file.line = place.line;
        let saved = std::mem::replace(&mut self.raw().conf_file, &mut file);
        let result = act(self);
        self.raw().conf_file = saved;
        result
    }

    /// Runs `act` with messages pointing at `place`; its error is reported there, as one of the directive `name`.
    pub(crate) fn report_at<T>(
        self,
        place: Place,
        name: &str,
        act: impl FnOnce(Conf) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.at(place, |cf| {
            act(cf).map_err(|error| {
                report(cf, name, Err(error));
                Error::Logged
            })
        })
    }

    /// Makes our content handler the one of the location that is being read or merged. False when it has another one.
    pub(crate) fn set_content_handler(self, handler: ContentHandler) -> bool {
        // SAFETY: inside a location the core module has a configuration there.
        let slot = unsafe { &mut (*core_loc_conf((*self.context()).loc_conf)).handler };
        let is_free = slot.is_none_or(|other| ptr::fn_addr_eq(other, handler));
        if is_free {
            *slot = Some(handler);
        }
        is_free
    }

    /// Whether the location that is being merged is one of `if` or `limit_except`, inside of another.
    pub(crate) fn is_unnamed(self) -> bool {
        // SAFETY: as in `set_content_handler`.
        unsafe { (*core_loc_conf((*self.context()).loc_conf)).noname() != 0 }
    }

    pub(super) fn context(self) -> *mut ngx_http_conf_ctx_t {
        self.raw().ctx.cast()
    }

    /// The configuration of every module at the level that is being merged, for [`Conf::finish_locations`].
    pub(crate) fn loc_conf(self) -> *mut *mut c_void {
        // SAFETY: `ctx` is an HTTP context inside `http {}`.
        unsafe { (*self.context()).loc_conf }
    }

    /// Reads a `{ … }` block of ours into a location of its own below the current one, as nginx does for `if`.
    ///
    /// The location is in no search tree: only [`Request::enter_location`](super::Request::enter_location) leads into it.
    /// It merges with the location around it, so that every directive is inherited as in a nested `location`. Inside,
    /// the directives of a location are allowed, and those of the module with the bit `words` in their type.
    pub(crate) fn block(self, words: u32, draft: Draft) -> Result<LocationContext, Error> {
        let context = self.new_location()?;
        context.own_conf().begin(draft);
        self.parse_into(context, words)?;
        // SAFETY: the core module has a configuration in the new location.
        let core = unsafe { &*core_loc_conf(context.loc_conf()) };
        if core.handler.is_some() {
            return Err(Error::new("answers by \"pass\" alone: remove the directive that answers requests, too"));
        }
        if count(core.locations) != context.own_conf().blocks_inside() {
            return Err(Error::new("is invalid: a block such as \"location\" is not allowed in it"));
        }
        Ok(context)
    }

    /// Reads a `{ … }` block into a location that there is already, where it may say what a location may.
    pub(crate) fn block_into(self, context: LocationContext) -> Result<(), Error> {
        // SAFETY: as in `block`.
        let handler = || unsafe { (*core_loc_conf(context.loc_conf())).handler.map(|handler| handler as usize) };
        let before = handler();
        self.parse_into(context, 0)?;
        match handler() == before {
            true => Ok(()),
            false => Err(Error::new("takes settings alone: remove the directive that answers requests")),
        }
    }

    fn parse_into(self, context: LocationContext, words: u32) -> Result<(), Error> {
        let saved = *self.raw();
        self.raw().ctx = context.0.cast();
        self.raw().cmd_type = (NGX_HTTP_LOC_CONF | words) as ngx_uint_t;
        // SAFETY: the parser stands behind the `{`.
        let result = unsafe { ngx_conf_parse(self.0, ptr::null_mut()) };
        *self.raw() = saved;
        if result.is_null() { Ok(()) } else { Err(Error::Logged) }
    }

    /// A location below the current one that no path leads to.
    pub(crate) fn hidden_location(self) -> Result<LocationContext, Error> {
        self.new_location()
    }

    /// Sets a directive in a location of ours.
    pub(crate) fn apply_in(self, location: LocationContext, words: &[&str]) -> Result<(), Error> {
        let saved = std::mem::replace(&mut self.raw().ctx, location.0.cast());
        let result = self.apply(words);
        self.raw().ctx = saved;
        result
    }

    /// Whether this nginx has a directive for locations.
    pub(crate) fn has_directive(self, name: &str) -> bool {
        self.foreign_command(name.as_bytes()).is_ok()
    }

    /// A further location below one that a block was read into.
    pub(crate) fn location_below(self, outer: LocationContext) -> Result<LocationContext, Error> {
        let saved = std::mem::replace(&mut self.raw().ctx, outer.0.cast());
        let inner = self.new_location();
        self.raw().ctx = saved;
        inner
    }

    fn new_location(self) -> Result<LocationContext, Error> {
        let context = self.pool().zeroed::<ngx_http_conf_ctx_t>().ok_or_else(Error::memory)?.as_ptr();
        // SAFETY: the steps and their order are those of `ngx_http_rewrite_if()`.
        unsafe {
            let parent = &*self.context();
            let loc_conf = self.pool().zeroed_slice::<*mut c_void>(ngx_http_max_module).ok_or_else(Error::memory)?;
            (*context).main_conf = parent.main_conf;
            (*context).srv_conf = parent.srv_conf;
            (*context).loc_conf = loc_conf.as_ptr();
            for module in self.http_modules() {
                let definition = &*(*module).ctx.cast::<ngx_http_module_t>();
                if let Some(create) = definition.create_loc_conf {
                    let conf = create(self.0);
                    if conf.is_null() {
                        return Err(Error::Logged);
                    }
                    *(*context).loc_conf.add((*module).ctx_index) = conf;
                }
            }
            let outer = core_loc_conf(parent.loc_conf);
            let inner = core_loc_conf((*context).loc_conf);
            (*inner).loc_conf = (*context).loc_conf;
            (*inner).name = (*outer).name;
            (*inner).set_noname(1);
            if ngx_http_add_location(self.0, &mut (*outer).locations, inner) != NGX_OK as ngx_int_t {
                return Err(Error::Logged);
            }
        }
        Ok(LocationContext(context))
    }

    fn modules(self) -> impl Iterator<Item = *mut ngx_module_t> {
        // SAFETY: the cycle's array of modules ends with null.
        let modules = unsafe { (*self.raw().cycle).modules };
        (0..)
            // SAFETY: nobody asks for what stands behind the null.
            .map(move |index| unsafe { *modules.add(index) })
            .take_while(|module| !module.is_null())
    }

    fn http_modules(self) -> impl Iterator<Item = *mut ngx_module_t> {
        // SAFETY: the modules of a cycle are alive.
        self.modules().filter(|module| unsafe { (**module).type_ } == NGX_HTTP_MODULE as ngx_uint_t)
    }

    /// Gives the directive that is being read to the module of nginx that it belongs to.
    pub(crate) fn delegate(self) -> Result<(), Error> {
        let name = self.words().first().map(bytes).unwrap_or_default();
        let (module, command) = self.foreign_command(name)?;
        self.set(module, command)
    }

    /// Sets a directive in the location of `self`'s context, as if it stood there.
    pub(crate) fn apply(self, words: &[&str]) -> Result<(), Error> {
        let (module, command) = self.foreign_command(words[0].as_bytes())?;
        let elements = self.pool().zeroed_slice::<ngx_str_t>(words.len()).ok_or_else(Error::memory)?.as_ptr();
        for (index, word) in words.iter().enumerate() {
            let word = self.pool().string(word.as_bytes()).ok_or_else(Error::memory)?;
            // SAFETY: the array has room for every word.
            unsafe { elements.add(index).write(word) };
        }
        let mut args = ngx_array_t {
            elts: elements.cast(),
            nelts: words.len(),
            size: size_of::<ngx_str_t>(),
            nalloc: words.len(),
            pool: self.raw().pool,
        };
        let saved = std::mem::replace(&mut self.raw().args, &mut args);
        let result = self.set(module, command);
        self.raw().args = saved;
        result
    }

    /// The command of this name that another module has for locations.
    fn foreign_command(self, name: &[u8]) -> Result<(*mut ngx_module_t, *mut ngx_command_t), Error> {
        for module in self.http_modules().filter(|module| !ptr::eq(*module, mcp_module())) {
            // SAFETY: a module's commands end with one of an empty name.
            unsafe {
                let mut command = (*module).commands;
                while !command.is_null() && (*command).name.len != 0 {
                    let kind = (*command).type_;
                    if bytes(&(*command).name) == name && kind & NGX_HTTP_LOC_CONF as ngx_uint_t != 0 {
                        return Ok((module, command));
                    }
                    command = command.add(1);
                }
            }
        }
        Err(Error::new(format!("this nginx has no \"{}\" directive", String::from_utf8_lossy(name))))
    }

    fn set(self, module: *mut ngx_module_t, command: *mut ngx_command_t) -> Result<(), Error> {
        // SAFETY: what `ngx_conf_handler()` does with a command that it found.
        unsafe {
            let levels = self.raw().ctx.cast::<u8>().add((*command).conf).cast::<*mut *mut c_void>();
            let conf = *(*levels).add((*module).ctx_index);
            let Some(set) = (*command).set else { return Err(Error::Logged) };
            let result = set(self.0, command, conf);
            match result {
                _ if result.is_null() => Ok(()),
                _ if result as isize == -1 => Err(Error::Logged),
                _ => Err(Error::Text(CStr::from_ptr(result).to_string_lossy().into_owned())),
            }
        }
    }

    /// Whether the configuration has an `upstream NAME { … }`.
    pub(crate) fn has_upstream(self, name: &str) -> bool {
        // SAFETY: the upstream module's main configuration holds an array of pointers to upstreams.
        unsafe {
            let main = *(*self.context()).main_conf.add(ngx_http_upstream_module.ctx_index);
            let upstreams = &(*main.cast::<ngx_http_upstream_main_conf_t>()).upstreams;
            std::slice::from_raw_parts(upstreams.elts.cast::<*mut ngx_http_upstream_srv_conf_t>(), upstreams.nelts)
                .iter()
                .map(|upstream| &**upstream)
                .filter(|upstream| upstream.flags & NGX_HTTP_UPSTREAM_CREATE as ngx_uint_t != 0)
                .any(|upstream| bytes(&upstream.host).eq_ignore_ascii_case(name.as_bytes()))
        }
    }

    /// Adds `upstream NAME { server SERVER; keepalive …; }`.
    pub(crate) fn add_upstream(self, name: &str, server: &str) -> Result<(), Error> {
        // The parser takes a buffer that it never refills as long as its file is "read"; the last brace closes the
        // block that the parser believes to be in.
        let text = format!("upstream {name} {{ server {server}; keepalive 32; }} }}");
        let mut text = text.into_bytes();
        // SAFETY: the buffer outlives the parser's use of it: tokens are copied into the pool.
        unsafe {
            let mut buffer: ngx_buf_t = std::mem::zeroed();
            buffer.start = text.as_mut_ptr();
            buffer.pos = buffer.start;
            buffer.last = buffer.start.add(text.len());
            buffer.end = buffer.last;
            buffer.set_temporary(1);
            let saved = *self.raw();
            let args = ngx_array_create(saved.pool, 4, size_of::<ngx_str_t>());
            if args.is_null() {
                return Err(Error::memory());
            }
            let file = self.raw().conf_file;
            let saved_buffer = std::mem::replace(&mut (*file).buffer, &mut buffer);
            self.raw().args = args;
            self.raw().cmd_type = NGX_HTTP_MAIN_CONF as ngx_uint_t;
            let result = ngx_conf_parse(self.0, ptr::null_mut());
            *self.raw() = saved;
            (*file).buffer = saved_buffer;
            if result.is_null() { Ok(()) } else { Err(Error::Logged) }
        }
    }
}

/// A size such as `8m`.
pub(crate) fn parse_size(text: &str) -> Option<usize> {
    let mut text = borrowed(text.as_bytes());
    // SAFETY: nginx only reads the string.
    usize::try_from(unsafe { ngx_parse_size(&mut text) }).ok()
}

/// A time such as `60s`, in seconds.
pub(crate) fn parse_seconds(text: &str) -> Option<u64> {
    let mut text = borrowed(text.as_bytes());
    // SAFETY: nginx only reads the string.
    u64::try_from(unsafe { ngx_parse_time(&mut text, 1) }).ok()
}

/// The same in milliseconds.
pub(crate) fn parse_milliseconds(text: &str) -> Option<usize> {
    let mut text = borrowed(text.as_bytes());
    // SAFETY: nginx only reads the string.
    usize::try_from(unsafe { ngx_parse_time(&mut text, 0) }).ok()
}

/// Adapts locations of ours after all modules have merged: `error_page`s would replace what an MCP client must read, and
/// an upstream must not redirect a call inside nginx or change how its answer is delivered.
pub(crate) fn finish_location(cf: Conf, loc_conf: *mut *mut c_void, is_tool: bool) {
    // SAFETY: a location's array has a slot for every HTTP module, and proxy's configuration begins with upstream's.
    unsafe {
        (*core_loc_conf(loc_conf)).error_pages = ptr::null_mut();
        if !is_tool {
            return;
        }
        let Ok((module, _)) = cf.foreign_command(b"proxy_pass") else { return };
        let proxy = *loc_conf.add((*module).ctx_index);
        (*proxy.cast::<ngx_http_upstream_conf_t>()).ignore_headers |= (NGX_HTTP_UPSTREAM_IGN_XA_REDIRECT
            | NGX_HTTP_UPSTREAM_IGN_XA_LIMIT_RATE
            | NGX_HTTP_UPSTREAM_IGN_XA_BUFFERING
            | NGX_HTTP_UPSTREAM_IGN_XA_CHARSET)
            as ngx_uint_t;
    }
}

/// Our own configuration in a location's array.
pub(crate) fn own_conf<'a>(loc_conf: *mut *mut c_void) -> &'a LocationConf {
    // SAFETY: a location's array has our configuration in our slot, as long as the cycle lives.
    unsafe { &*(*loc_conf.add(mcp_module().ctx_index)).cast() }
}

/// How many locations stand in another one.
fn count(locations: *mut ngx_queue_t) -> usize {
    if locations.is_null() {
        return 0;
    }
    // SAFETY: nginx's queue of a location's inner ones is a ring that ends where it begins.
    let next = |link: &*mut ngx_queue_t| Some(unsafe { (**link).next }).filter(|next| *next != locations);
    std::iter::successors(Some(locations), next).count() - 1
}

pub(super) fn core_loc_conf(loc_conf: *mut *mut c_void) -> *mut ngx_http_core_loc_conf_t {
    // SAFETY: the core module has a configuration in every location.
    unsafe { (*loc_conf.add(ngx_http_core_module.ctx_index)).cast() }
}

/// The setter of every directive of ours: finds what to do in the command's `post`.
pub(super) extern "C" fn set_directive(cf: *mut ngx_conf_t, cmd: *mut ngx_command_t, conf: *mut c_void) -> *mut c_char {
    let cf = Conf::new(cf);
    // SAFETY: `post` of our commands is a `Directive` of the static table; `conf` is what our `create_loc_conf` made.
    let (directive, location) = unsafe { (&*(*cmd).post.cast::<Directive>(), &mut *conf.cast::<LocationConf>()) };
    let name = directive.name.to_str().unwrap_or_default();
    let outcome = super::entry::guard(super::log::Log::cycle(), Err(Error::Logged), || {
        if let Some(block) = location.block().filter(|_| name.starts_with("mcp")) {
            return Err(Error::new(format!("is not allowed here, inside of \"{block}\"")));
        }
        (directive.set)(cf, location)
    });
    report(cf, name, outcome)
}

/// Turns an error into an `[emerg]` and what nginx expects of a setter.
pub(super) fn report(cf: Conf, name: &str, outcome: Result<(), Error>) -> *mut c_char {
    match outcome {
        Ok(()) => return ptr::null_mut(),
        Err(Error::Logged) => {}
        Err(Error::Text(text)) if name.is_empty() => cf.emerg(&text),
        Err(Error::Text(text)) => cf.emerg(&format!("\"{name}\" directive {text}")),
    }
    ptr::without_provenance_mut(usize::MAX)
}
