# The node of a Causeway network. Where no registry can be reached, deploy/base-image.sh makes a base of this machine:
#   docker build --build-arg BASE=causeway-base:local --tag causeway:local .
ARG BASE=node:22-bookworm-slim

FROM ${BASE} AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
COPY node/prepare.mjs node/
RUN node node/prepare.mjs --install-only
COPY . .
RUN node node/prepare.mjs && npm prune --omit=dev --ignore-scripts --no-progress

FROM ${BASE}
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /build/package.json /build/package-lock.json ./
COPY --from=build /build/node_modules node_modules
COPY --from=build /build/dist dist
COPY LICENSE ./
# Written to at run time: nothing else is, so the root file system may be read-only.
RUN mkdir -p /data /mark /network && chown 1000:1000 /data /mark /network
VOLUME ["/data", "/mark", "/network"]
USER 1000:1000
EXPOSE 7000 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=6 \
  CMD ["node", "-e", "process.exitCode = 1; fetch('http://127.0.0.1:8080/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => {})"]
ENTRYPOINT ["node", "dist/node/cli.js"]
