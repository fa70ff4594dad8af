# SPDX-License-Identifier: Apache-2.0
# The image of a distribution: the static binary, certificates of public
# authorities, and licenses. `make image` builds that of otelcol-defender, `make
# image-kubernetes` that of otelcol-defender-kubernetes.

# Any image with Go, make, git, bash and /etc/ssl/certs/ca-certificates.crt.
ARG BUILDER=docker.io/library/golang:1.26-bookworm
ARG DISTRIBUTION=otelcol-defender

# Runs on the machine's own architecture and compiles for the target's.
FROM --platform=$BUILDPLATFORM ${BUILDER} AS build
ARG TARGETARCH
ARG DISTRIBUTION
WORKDIR /src
COPY . .
RUN GOOS=linux GOARCH="$TARGETARCH" make "build/$DISTRIBUTION/otelcol-defender" && \
    mkdir -p /out/storage /out/root/etc/ssl/certs /out/root/licenses /out/root/var/lib && cd /out/root && \
    cp "/src/build/$DISTRIBUTION/otelcol-defender" . && \
    cp /src/LICENSE /src/THIRD_PARTY_LICENSES.txt licenses/ && \
    cp /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/

FROM scratch
ARG DISTRIBUTION
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="$DISTRIBUTION" \
      org.opencontainers.image.description="OpenTelemetry Collector with the Microsoft Defender XDR incidents receiver" \
      org.opencontainers.image.source="https://github.com/seed2514a141/defenderincidentsreceiver" \
      org.opencontainers.image.documentation="https://github.com/seed2514a141/defenderincidentsreceiver#readme" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED"
COPY --from=build /out/root/ /
# Empty, and the user's own, so that a new volume mounted here is too.
COPY --from=build --chown=10001:10001 /out/storage /var/lib/otelcol-defender
# A number, so that Kubernetes can tell that it is not root.
USER 10001:10001
ENTRYPOINT ["/otelcol-defender"]
CMD ["--config=/etc/otelcol-defender/config.yaml"]
