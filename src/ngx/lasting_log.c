/*
 * While nginx reads its configuration anew, ngx_cycle->log is that of the cycle that ends with it. Nchan makes timers then which
 * keep the pointer (for each Redis), and nginx with debugging reads it whenever they are set: a worker dies by that as soon as
 * something else lies there. So for that time the old cycle has a log that lasts.
 */
#include <ngx_config.h>
#include <ngx_core.h>


static ngx_log_t        mcp_lasting_log;
static ngx_open_file_t  mcp_lasting_file;

/* The cycle that has it, and its own. */
static ngx_cycle_t  *mcp_borrower;
static ngx_log_t    *mcp_own_log;


/* The configuration was read, or cannot be. From now on nothing is written to the lasting log. */
void
mcp_take_log_back(void)
{
    if (mcp_borrower) {
        mcp_borrower->log = mcp_own_log;
        mcp_borrower = NULL;
    }

    mcp_lasting_log.log_level = 0;
    mcp_lasting_log.next = NULL;
}


static void
mcp_reading_failed(void *data)
{
    (void) data;
    mcp_take_log_back();
}


/* The configuration is about to be read. */
ngx_int_t
mcp_lend_log(ngx_conf_t *cf)
{
    ngx_cycle_t         *cycle;
    ngx_pool_cleanup_t  *cln;

    /* The pool of the new cycle: it goes at once if the configuration is none. */
    cln = ngx_pool_cleanup_add(cf->cycle->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }
    cln->handler = mcp_reading_failed;

    mcp_take_log_back();

    cycle = (ngx_cycle_t *) ngx_cycle;
    mcp_own_log = cycle->log;
    mcp_lasting_log = *cycle->log;
    if (mcp_lasting_log.file) {
        mcp_lasting_file = *mcp_lasting_log.file;
        mcp_lasting_log.file = &mcp_lasting_file;
    }

    mcp_borrower = cycle;
    cycle->log = &mcp_lasting_log;

    return NGX_OK;
}
