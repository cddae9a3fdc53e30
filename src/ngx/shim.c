/* nginx's macros and inline functions, as functions that Rust can call. */
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

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


/* Gives freed memory back to the system: glibc keeps what lies between pieces that are still in use. */
void
mcp_trim_heap(void)
{
#ifdef __GLIBC__
    (void) malloc_trim(0);
#endif
}
