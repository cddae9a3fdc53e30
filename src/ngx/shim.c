/* nginx's macros and inline functions, as functions that Rust can call. */
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

void
mcp_post_event(ngx_event_t *ev)
{
    ngx_post_event(ev, &ngx_posted_events);
}


void
mcp_delete_posted_event(ngx_event_t *ev)
{
    if (ev->posted) {
        ngx_delete_posted_event(ev);
    }
}


void
mcp_add_timer(ngx_event_t *ev, ngx_msec_t timer)
{
    ngx_add_timer(ev, timer);
}


void
mcp_delete_timer(ngx_event_t *ev)
{
    if (ev->timer_set) {
        ngx_del_timer(ev);
    }
}


/* What ngx_http_writer() does after it has written. */
ngx_int_t
mcp_pace_writing(ngx_http_request_t *r)
{
    ngx_event_t               *wev;
    ngx_http_core_loc_conf_t  *clcf;

    wev = r->connection->write;

    if (!r->connection->buffered) {
        if (wev->timer_set && !wev->delayed) {
            ngx_del_timer(wev);
        }
        return NGX_OK;
    }

    clcf = ngx_http_get_module_loc_conf(r->main, ngx_http_core_module);
    if (!wev->delayed && !wev->timer_set) {
        ngx_add_timer(wev, clcf->send_timeout);
    }
    return ngx_handle_write_event(wev, clcf->send_lowat);
}


/* Gives freed memory back to the system: glibc keeps what lies between pieces that are still in use. */
void
mcp_trim_heap(void)
{
#ifdef __GLIBC__
    (void) malloc_trim(0);
#endif
}
