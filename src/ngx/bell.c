/*
 * A bell that every worker hears, whichever process rings it.
 *
 * It is one eventfd, made by the master and inherited, so that workers of before and after a reload share it. Nobody reads
 * from it: watched for edges, each ringing wakes each worker, as nginx's own notifications of threads do.
 */
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <sys/eventfd.h>


static int  mcp_bell = -1;


/* In the master, before workers are made. */
ngx_int_t
mcp_make_bell(ngx_log_t *log)
{
    if (mcp_bell != -1) {
        return NGX_OK;
    }

    mcp_bell = eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC);
    if (mcp_bell == -1) {
        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno, "eventfd() failed");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* In a worker: the handler is called whenever the bell is rung, and once when the worker is asked to end (c->close). */
ngx_int_t
mcp_hear_bell(ngx_cycle_t *cycle, ngx_event_handler_pt handler)
{
    ngx_connection_t  *c;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE) {
        return NGX_OK;
    }

    if (!(ngx_event_flags & NGX_USE_CLEAR_EVENT)) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0, "the MCP module needs \"use epoll\"");
        return NGX_ERROR;
    }

    c = ngx_get_connection(mcp_bell, cycle->log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->log = cycle->log;
    c->read->log = cycle->log;
    c->write->log = cycle->log;
    c->read->handler = handler;

    /* Like nginx's channel to the master, it is open for as long as the worker lives. */
    c->read->channel = 1;
    c->write->channel = 1;

    /* Idle connections are told of the worker's end. */
    c->idle = 1;

    return ngx_add_event(c->read, NGX_READ_EVENT, NGX_CLEAR_EVENT);
}


void
mcp_ring_bell(void)
{
    uint64_t  one = 1;

    if (write(mcp_bell, &one, sizeof(one)) == -1) {
        /* 2^64 times is unheard of. */
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, ngx_errno, "ringing the workers failed");
    }
}
