# The image of the gateway: one program, no shell, no package manager. Build it with:
#
#   docker build --build-arg VERSION=v1.2.3 -t weigate/weigate:v1 .
#
# In mainland China, add --build-arg GOPROXY=https://goproxy.cn or another Go module proxy near you.
FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=v0.0.0
ARG GOPROXY=https://proxy.golang.org,direct
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN GOOS=$TARGETOS GOARCH=$TARGETARCH build/binary.sh "$VERSION" /out/weigate
# A new volume takes the owner and the mode of this folder. Group 0 may write too: some platforms choose
# the user, and give it the group 0.
RUN mkdir -p /out/folders/data && chmod 0770 /out/folders/data

FROM scratch
ARG VERSION=v0.0.0
LABEL org.opencontainers.image.title="Weigate" \
      org.opencontainers.image.description="WeChat login for every app" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/weigate/weigate" \
      org.opencontainers.image.documentation="https://github.com/weigate/weigate/tree/main/docs" \
      org.opencontainers.image.version="$VERSION"
COPY --from=build /out/weigate /usr/bin/weigate
COPY --from=build --chown=65532:0 /out/folders/ /
# The database and the master key. Relative paths in the configuration are relative to its folder.
VOLUME ["/data"]
WORKDIR /data
ENV PATH=/usr/bin SQLITE_TMPDIR=/data WEIGATE_LISTEN=:8080
EXPOSE 8080
# By number, so that Kubernetes can verify that it is not root (runAsNonRoot).
USER 65532:0
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["/usr/bin/weigate", "ping"]
ENTRYPOINT ["/usr/bin/weigate"]
CMD ["serve"]
