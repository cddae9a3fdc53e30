/*
 * The least that a module of this shape can do, for scripts/bench: how near to nginx itself could one come that checks nothing?
 *
 * nginx reads the body, one pass sees roughly that it is JSON and finds the id and the arguments, nginx's proxy sends these on, and its
 * answer is put into a result; or a list that is known is the answer. No header is looked at, no argument is validated,
 * nothing is logged or limited by what was asked, and whatever goes wrong goes unsaid.
 */
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

typedef struct {
    ngx_flag_t  call;
    ngx_str_t   list;
} least_conf_t;

typedef struct {
    ngx_str_t   id;
    ngx_str_t   arguments;
    ngx_str_t   answer;
    unsigned    begun:1;
    unsigned    done:1;
} least_ctx_t;

extern ngx_module_t  least_module;

static ngx_http_output_header_filter_pt  next_header_filter;
static ngx_http_output_body_filter_pt    next_body_filter;


/* JSON */

typedef struct {
    u_char       *pos;
    u_char       *end;
    least_ctx_t  *found;
    ngx_uint_t    depth;
} scanner_t;

static ngx_int_t skip_value(scanner_t *s);


static u_char
peek(scanner_t *s)
{
    while (s->pos < s->end && (*s->pos == ' ' || *s->pos == '\t' || *s->pos == '\r' || *s->pos == '\n')) {
        s->pos++;
    }
    return s->pos < s->end ? *s->pos : 0;
}


static ngx_int_t
skip_string(scanner_t *s)
{
    uint64_t        word, low, backslash, special;
    const uint64_t  ones = 0x0101010101010101;

    if (peek(s) != '"') {
        return NGX_ERROR;
    }
    for (s->pos++; s->pos < s->end; s->pos++) {
        while (s->end - s->pos >= 8) {
            /* The highest bits of control characters, quotes and backslashes, right for the first of them. */
            ngx_memcpy(&word, s->pos, 8);
            low = (word ^ (ones * 0x02)) - ones * 0x21;
            backslash = (word ^ (ones * '\\')) - ones;
            special = (low | backslash) & ~word & (ones << 7);
            if (special) {
                s->pos += __builtin_ctzll(special) / 8;
                break;
            }
            s->pos += 8;
        }
        if (s->pos == s->end || *s->pos < 0x20) {
            return NGX_ERROR;
        }
        if (*s->pos == '"') {
            s->pos++;
            return NGX_OK;
        }
        if (*s->pos == '\\') {
            s->pos++;
        }
    }
    return NGX_ERROR;
}


static ngx_int_t
skip_word(scanner_t *s)
{
    u_char  *start = s->pos;

    while (s->pos < s->end && (ngx_strchr("+-.", *s->pos) || isalnum(*s->pos))) {
        s->pos++;
    }
    return s->pos > start ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
skip_members(scanner_t *s, u_char close)
{
    u_char     *name, *value;
    size_t      length;
    ngx_int_t   rc;

    s->pos++;
    if (++s->depth == 128) {
        return NGX_ERROR;
    }
    while (peek(s) != close) {
        name = s->pos;
        if (close == '}') {
            if (skip_string(s) != NGX_OK) {
                return NGX_ERROR;
            }
            length = s->pos - name;
            if (peek(s) != ':') {
                return NGX_ERROR;
            }
            s->pos++;
            (void) peek(s);
        } else {
            length = 0;
        }
        value = s->pos;
        rc = skip_value(s);
        if (rc != NGX_OK) {
            return rc;
        }
        if (s->depth == 1 && length == 4 && ngx_memcmp(name, "\"id\"", 4) == 0) {
            s->found->id.data = value;
            s->found->id.len = s->pos - value;
        } else if (s->depth == 2 && length == 11 && ngx_memcmp(name, "\"arguments\"", 11) == 0) {
            s->found->arguments.data = value;
            s->found->arguments.len = s->pos - value;
        }
        if (peek(s) != ',') {
            break;
        }
        s->pos++;
    }
    if (peek(s) != close) {
        return NGX_ERROR;
    }
    s->pos++;
    s->depth--;
    return NGX_OK;
}


static ngx_int_t
skip_value(scanner_t *s)
{
    switch (peek(s)) {
    case '"':
        return skip_string(s);
    case '{':
        return skip_members(s, '}');
    case '[':
        return skip_members(s, ']');
    default:
        return skip_word(s);
    }
}


/* The way of a request */

static ngx_int_t
send_json(ngx_http_request_t *r, ngx_str_t *json)
{
    ngx_int_t    rc;
    ngx_buf_t   *b;
    ngx_chain_t  out;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }
    b->pos = json->data;
    b->last = json->data + json->len;
    b->memory = 1;
    b->last_buf = 1;
    out.buf = b;
    out.next = NULL;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = json->len;
    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    rc = next_header_filter(r);
    return rc == NGX_ERROR || rc > NGX_OK ? rc : next_body_filter(r, &out);
}


static void
body_ready(ngx_http_request_t *r)
{
    ngx_buf_t    *b;
    scanner_t     s;
    least_ctx_t  *ctx = ngx_http_get_module_ctx(r, least_module);

    b = r->request_body && r->request_body->bufs ? r->request_body->bufs->buf : NULL;
    if (b == NULL) {
        ngx_http_finalize_request(r, NGX_HTTP_BAD_REQUEST);
        return;
    }
    s.pos = b->pos;
    s.end = b->last;
    s.found = ctx;
    s.depth = 0;
    if (skip_value(&s) != NGX_OK || peek(&s) || ctx->id.len == 0) {
        ngx_http_finalize_request(r, NGX_HTTP_BAD_REQUEST);
        return;
    }
    r->preserve_body = 1;
    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);
}


static ngx_int_t
rewrite(ngx_http_request_t *r)
{
    ngx_int_t      rc;
    least_ctx_t   *ctx;
    least_conf_t  *conf = ngx_http_get_module_loc_conf(r, least_module);

    if ((conf->call != 1 && conf->list.data == NULL) || ngx_http_get_module_ctx(r, least_module)) {
        return NGX_DECLINED;
    }
    ctx = ngx_pcalloc(r->pool, sizeof(least_ctx_t));
    if (ctx == NULL) {
        return NGX_ERROR;
    }
    ngx_http_set_ctx(r, ctx, least_module);
    rc = ngx_http_read_client_request_body(r, body_ready);
    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }
    ngx_http_finalize_request(r, NGX_DONE);
    return NGX_DONE;
}


static ngx_int_t
list(ngx_http_request_t *r)
{
    least_ctx_t   *ctx = ngx_http_get_module_ctx(r, least_module);
    least_conf_t  *conf = ngx_http_get_module_loc_conf(r, least_module);

    ctx->done = 1;
    return send_json(r, &conf->list);
}


static ngx_int_t
header_filter(ngx_http_request_t *r)
{
    least_ctx_t  *ctx = ngx_http_get_module_ctx(r, least_module);

    if (ctx == NULL || ctx->done) {
        return next_header_filter(r);
    }
    if (r->headers_out.content_length_n < 0) {
        return NGX_ERROR;
    }
    ctx->begun = 1;
    ctx->answer.data = ngx_pnalloc(r->pool, r->headers_out.content_length_n);
    return ctx->answer.data ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
send_result(ngx_http_request_t *r, least_ctx_t *ctx)
{
    u_char     *p, *from, *end = ctx->answer.data + ctx->answer.len;
    ngx_str_t   result;

    result.data = ngx_pnalloc(r->pool, 256 + ctx->id.len + 3 * ctx->answer.len);
    if (result.data == NULL) {
        return NGX_ERROR;
    }
#define put(text) p = ngx_cpymem(p, text, sizeof(text) - 1)
    p = result.data;
    put("{\"jsonrpc\":\"2.0\",\"id\":");
    p = ngx_cpymem(p, ctx->id.data, ctx->id.len);
    put(",\"result\":{\"resultType\":\"complete\",\"content\":[{\"type\":\"text\",\"text\":\"");
    for (from = ctx->answer.data; from < end; *p++ = *from++) {
        if (*from == '"' || *from == '\\') {
            *p++ = '\\';
        }
    }
    put("\"}],\"structuredContent\":");
    p = ngx_cpymem(p, ctx->answer.data, ctx->answer.len);
    put(",\"isError\":false}}");
#undef put
    result.len = p - result.data;
    ngx_http_clean_header(r);
    return send_json(r, &result);
}


static ngx_int_t
body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    size_t        length;
    ngx_buf_t    *b;
    ngx_uint_t    last = 0;
    least_ctx_t  *ctx = ngx_http_get_module_ctx(r, least_module);

    if (ctx == NULL || !ctx->begun || (ctx->done && in == NULL)) {
        return next_body_filter(r, in);
    }
    for (; in; in = in->next) {
        b = in->buf;
        length = b->last - b->pos;
        if (length && !ctx->done) {
            ngx_memcpy(ctx->answer.data + ctx->answer.len, b->pos, length);
            ctx->answer.len += length;
        }
        b->pos = b->last;
        last |= b->last_buf;
    }
    if (!last || ctx->done) {
        return NGX_OK;
    }
    ctx->done = 1;
    return send_result(r, ctx);
}


static ngx_int_t
arguments(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
    least_ctx_t  *ctx = ngx_http_get_module_ctx(r, least_module);

    v->not_found = ctx == NULL;
    if (ctx) {
        v->data = ctx->arguments.data;
        v->len = ctx->arguments.len;
        v->valid = 1;
    }
    return NGX_OK;
}


/* Configuration */

static ngx_int_t
preconfiguration(ngx_conf_t *cf)
{
    ngx_str_t             name = ngx_string("least_arguments");
    ngx_http_variable_t  *variable = ngx_http_add_variable(cf, &name, 0);

    if (variable == NULL) {
        return NGX_ERROR;
    }
    variable->get_handler = arguments;
    return NGX_OK;
}


static ngx_int_t
postconfiguration(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *handler;
    ngx_http_core_main_conf_t  *core = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    handler = ngx_array_push(&core->phases[NGX_HTTP_REWRITE_PHASE].handlers);
    if (handler == NULL) {
        return NGX_ERROR;
    }
    *handler = rewrite;
    next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = header_filter;
    next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = body_filter;
    return NGX_OK;
}


static void *
create_loc_conf(ngx_conf_t *cf)
{
    least_conf_t  *conf = ngx_pcalloc(cf->pool, sizeof(least_conf_t));

    if (conf) {
        conf->call = NGX_CONF_UNSET;
    }
    return conf;
}


static char *
set_list(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                 *words = cf->args->elts;
    least_conf_t              *least = conf;
    ngx_http_core_loc_conf_t  *core = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    least->list = words[1];
    core->handler = list;
    return NGX_CONF_OK;
}


static ngx_command_t  commands[] = {

    /* In a location with a proxy_pass: calls it with $least_arguments. */
    { ngx_string("least_call"),
      NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(least_conf_t, call),
      NULL },

    /* Answers with this text. */
    { ngx_string("least_list"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      set_list,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  context = {
    preconfiguration, postconfiguration, NULL, NULL, NULL, NULL, create_loc_conf, NULL
};


ngx_module_t  least_module = {
    NGX_MODULE_V1, &context, commands, NGX_HTTP_MODULE, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NGX_MODULE_V1_PADDING
};

ngx_module_t  *ngx_modules[] = { &least_module, NULL };
char          *ngx_module_names[] = { "least_module", NULL };
char          *ngx_module_order[] = { "least_module", "ngx_http_copy_filter_module", NULL };
