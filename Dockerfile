# nginx with Nchan and this module. It serves the demo on port 8080; mount an nginx.conf of yours over /etc/nginx/nginx.conf
# to serve that, or name an API description in MCP_OPENAPI: a file that you mount, or a URL. MCP_UPSTREAM is the URL of its
# service, where the description's own servers do not say. The same Debian release in both stages: nginx loads only a module
# that was built for its very version.
ARG DEBIAN=bookworm

FROM debian:${DEBIAN}-slim AS build
# Set to anything, it makes the faster module of scripts/build --trained, in three times as many minutes.
ARG TRAINED=
WORKDIR /src
# What the scripts read, and nothing that changes with the code, so that this layer lasts.
COPY scripts/lib.sh scripts/install-deps scripts/
COPY Cargo.toml .
RUN scripts/install-deps build ${TRAINED:+train} && rm -rf /var/lib/apt/lists/*
COPY . .
RUN module=$(scripts/build ${TRAINED:+--trained}) && strip --strip-unneeded -o /ngx_http_mcp_module.so "$module"

FROM debian:${DEBIAN}-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates nginx libnginx-mod-nchan \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /ngx_http_mcp_module.so /usr/lib/nginx/modules/
COPY scripts/openapi-conf /usr/local/bin/
COPY nginx-conf/demo /etc/nginx
# The demo listens to the world outside the container. Its logs and temporary files lie below nginx's prefix, /usr/share/nginx,
# and go where Debian has them. Any user can write there, so that the image runs as any, and with a tmpfs in these places.
RUN sed -i 's/listen  *127\.0\.0\.1:/listen /' /etc/nginx/nginx.conf \
    && cp -r /etc/nginx/html /usr/share/nginx \
    && ln -s /var/lib/nginx /usr/share/nginx/temp \
    && ln -s /var/log/nginx /usr/share/nginx/logs \
    && ln -sf /dev/stdout /var/log/nginx/access.log \
    && ln -sf /dev/stdout /var/log/nginx/mcp.log \
    && ln -sf /dev/stderr /var/log/nginx/error.log \
    && chmod 1777 /run /var/lib/nginx /var/log/nginx

# www-data, by number so that an orchestrator can tell it is not root.
USER 33:33
EXPOSE 8080
# SIGQUIT lets calls and streams that are open end; SIGTERM would cut them off.
STOPSIGNAL SIGQUIT
# Any HTTP answer will do: it shows that a worker is alive. HEALTH_PORT is for a configuration that listens elsewhere.
ENV HEALTH_PORT=8080
HEALTHCHECK --interval=30s --timeout=3s --start-period=5s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/$HEALTH_PORT && printf 'HEAD / HTTP/1.0\\r\\n\\r\\n' >&3 && read -r line <&3 && [[ $line == HTTP/1* ]]"]
# nginx opens /dev/stdout by name. Where the runtime gave a stdout of root's, only a pipe of our own can be opened so.
CMD ["bash", "-c", "conf=/etc/nginx/nginx.conf; \
    [ -z \"$MCP_OPENAPI\" ] || { conf=/run/openapi.conf; LISTEN=8080 openapi-conf \"$MCP_OPENAPI\" \"$MCP_UPSTREAM\" >$conf || exit; }; \
    { : >>/dev/stdout; } 2>/dev/null || exec > >(exec cat); \
    exec nginx -c $conf -e stderr -g 'daemon off;'"]
