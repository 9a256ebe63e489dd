# The node of a Causeway network. Where no registry can be reached, deploy/base-image.sh makes a base of this machine:
#   docker build --build-arg BASE=causeway-base:local --tag causeway:local .
# The software bill of materials (CycloneDX) lies in the image, and is an output of its own with BuildKit:
#   docker build --target sbom --output . .
ARG BASE=node:24-bookworm-slim

FROM ${BASE} AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
COPY node/prepare.mjs node/
RUN node node/prepare.mjs --install-only
COPY . .
RUN node node/prepare.mjs
RUN npm prune --omit=dev --ignore-scripts --no-progress && rm -rf dist/sim
# The version that a node tells of itself: the same as the label's below.
ARG VERSION=0.1.0
RUN npm pkg set "version=$VERSION"
# Told of development dependencies, npm leaves out of the bill what these share with the rest. What the tool says of its
# time would make each build another, and so would the times of files.
RUN npm pkg delete devDependencies scripts && npm sbom --sbom-format=cyclonedx >/tmp/sbom.json \
  && node deploy/image/sbom.mjs /tmp/sbom.json sbom.json
RUN node deploy/image/prune.mjs node_modules dist && mkdir -p empty/data empty/mark empty/network \
  && find . -exec touch --no-dereference --date=@0 {} +

FROM scratch AS sbom
COPY --from=build /build/sbom.json /

# The base without what installs packages, pages and programs that would give rights: nothing is added to a running node.
FROM ${BASE} AS runtime
RUN rm -rf /usr/local/lib/node_modules /usr/local/include /usr/local/share /opt/yarn* /usr/local/bin/npm /usr/local/bin/npx \
  /usr/local/bin/corepack /usr/local/bin/yarn /usr/local/bin/yarnpkg /usr/local/bin/pnpm /usr/share/man /usr/share/info \
  /usr/share/locale /var/cache/* /var/lib/apt/lists /var/log/* /root/.npm \
  && find /usr/share/doc -type f ! -name copyright -delete && find / -xdev -type f -perm /6000 -exec chmod a-s {} +

FROM scratch
COPY --from=runtime / /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin NODE_ENV=production
WORKDIR /app
COPY --from=build /build/package.json ./
COPY LICENSE ./
COPY --from=build /build/sbom.json ./
COPY --from=build /build/node_modules node_modules
COPY --from=build /build/dist dist
# Written to at run time: nothing else is, so the root file system may be read-only.
COPY --from=build --chown=1000:1000 /build/empty/ /
VOLUME ["/data", "/mark", "/network"]
USER 1000:1000
EXPOSE 7000 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=6 \
  CMD ["node", "-e", "process.exitCode = 1; fetch('http://127.0.0.1:8080/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => {})"]
ENTRYPOINT ["node", "dist/node/cli.js"]
# Last, so that another revision changes no layer.
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="Causeway" \
  org.opencontainers.image.description="A node for multi-CBDC cross-border payments, payment versus payment" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}" \
  org.opencontainers.image.created="${CREATED}"
