/*
 * The roll of the processes that live, whatever becomes of them.
 *
 * It is a file in memory, made by the master and inherited. Each process on it has locked one byte of it, which no process can
 * take from another and which the system frees when the process ends, even by a signal that it never hears of.
 */
#include <ngx_config.h>
#include <ngx_core.h>

#include <sys/mman.h>


/* More processes than nginx can have. */
#define MCP_ROLL_SIZE  4096


static int  mcp_roll = -1;
static int  mcp_own_place = -1;


/* In the master, before workers are made. */
ngx_int_t
mcp_make_roll(ngx_log_t *log)
{
    if (mcp_roll != -1) {
        return NGX_OK;
    }

    mcp_roll = memfd_create("mcp_roll", MFD_CLOEXEC);
    if (mcp_roll == -1) {
        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno, "memfd_create() failed");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static int
mcp_lock_place(int command, struct flock *lock, int place)
{
    ngx_memzero(lock, sizeof(struct flock));
    lock->l_type = F_WRLCK;
    lock->l_whence = SEEK_SET;
    lock->l_start = place;
    lock->l_len = 1;

    return fcntl(mcp_roll, command, lock);
}


/* Takes a place that nobody has who lives; -1 if there is none. */
int
mcp_enrol(void)
{
    int           place;
    struct flock  lock;

    for (place = 0; mcp_own_place == -1 && place < MCP_ROLL_SIZE; place++) {
        if (mcp_lock_place(F_SETLK, &lock, place) != -1) {
            mcp_own_place = place;
        }
    }

    return mcp_own_place;
}


/* Whether the process with this place lives. */
int
mcp_is_enrolled(int place)
{
    struct flock  lock;

    if (place == mcp_own_place) {
        return 1;
    }

    return mcp_lock_place(F_GETLK, &lock, place) != -1 && lock.l_type != F_UNLCK;
}
