/* What bindgen reads: every nginx type and function that the module uses comes from here. */
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

/* nginx's own macros that hold a cast or a string, as constants that bindgen can see. */
static const char  *const NGX_HTTP_MCP_SIGNATURE = NGX_MODULE_SIGNATURE;
