# Both services, each in an image of its own:
#     docker build --target auth-service -t auth-service .
#     docker build --target resource-service -t resource-service .
# Works with BuildKit and with the older builder. In each image, /sbom.cdx.json says what the program is made of; Trivy and
# Syft find it by that name.

# rustc and a C compiler: SQLite, libpq, OpenSSL and the cryptography are compiled in, and so is libc.
ARG BUILD_IMAGE=rust:1-slim-bookworm
# CA certificates, users, and how names are resolved; no library and no shell.
ARG RUNTIME_IMAGE=gcr.io/distroless/static-debian12:nonroot

FROM ${BUILD_IMAGE} AS toolchain
# Where they are there already, no network is needed.
RUN dpkg-query -W libssl-dev pkg-config >/dev/null 2>&1 \
    || { apt-get update && apt-get install -y --no-install-recommends libssl-dev pkg-config; }
# Static, but with the libc that the tests run with, which knows files and DNS without its modules (getaddrinfo).
# Flags for the programs alone, not for what runs while they are built: that takes a target to be named.
ENV CARGO_TARGET_DIR=/target RUSTFLAGS="-C target-feature=+crt-static" OPENSSL_STATIC=1
RUN printf '%s\n' '#!/bin/sh' 'set -eu' "target=$(rustc -vV | sed -n 's/^host: //p')" \
        'cargo build --release --locked --target "$target" -p auth-service -p resource-service "$@"' \
        'ln -sfn "/target/$target/release" /release' >/build-services \
    && chmod 755 /build-services
WORKDIR /workspace

# The workspace with empty crates in the place of ours: it changes only when a dependency does, so that the next
# stage, which compiles all dependencies, is taken from the cache when only our own code has changed.
FROM toolchain AS manifests
COPY . .
# Benchmarks stay, because a manifest names them, and so do the settings of the build.
RUN find . -type f ! -name Cargo.toml ! -name Cargo.lock ! -path '*/benches/*' ! -path './.cargo/*' -delete \
    && find . -mindepth 1 -type d -empty -delete \
    && for manifest in */Cargo.toml; do \
        crate=${manifest%/*} && mkdir "$crate/src" \
        && echo '//! Empty.' | tee "$crate/src/lib.rs" > "$crate/src/main.rs" \
        && echo 'fn main() {}' >> "$crate/src/main.rs" || exit 1; \
    done

FROM toolchain AS build
COPY --from=manifests /workspace .
RUN /build-services --features auth-service/postgres-tls
COPY . .
# Newer than the empty crates, or cargo takes those for the result.
RUN find . -name '*.rs' -exec touch {} + \
    && /build-services --features auth-service/postgres-tls \
    && export STATIC_LIBC=1 target="$(rustc -vV | sed -n 's/^host: //p')" \
    && scripts/sbom auth-service --features postgres-tls --target "$target" >/release/auth-service.cdx.json \
    && scripts/sbom resource-service --target "$target" >/release/resource-service.cdx.json \
    # Volumes mounted there for the first time inherit owner and mode.
    && mkdir -p /folders/client /folders/secret /folders/data && chmod 700 /folders/*

FROM ${RUNTIME_IMAGE} AS resource-service
COPY --from=build /release/resource-service /resource-service
COPY --from=build /release/resource-service.cdx.json /sbom.cdx.json
ENV RESOURCE_ADDR=0.0.0.0:8081
EXPOSE 8081
# The base image's "nonroot", as a number: orchestrators can then tell that it is not root.
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/resource-service", "healthcheck"]
ENTRYPOINT ["/resource-service"]

FROM ${RUNTIME_IMAGE} AS auth-service
COPY --from=build --chown=65532:65532 /folders/client /client
COPY --from=build --chown=65532:65532 /folders/secret /secret
COPY --from=build --chown=65532:65532 /folders/data /data
COPY --from=build /release/auth-service /auth-service
COPY --from=build /release/auth-service.cdx.json /sbom.cdx.json
# SECRET_KEY_FILE stays unset: without a database URL the secret is made in the data folder, which is then the one
# volume to mount. With one, mount the replicas' common secret on /secret, and set SECRET_KEY_FILE=/secret/secret.key.
ENV AUTH_ADDR=0.0.0.0:8080 DATA_DIR=/data
EXPOSE 8080
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/auth-service", "healthcheck"]
ENTRYPOINT ["/auth-service"]
