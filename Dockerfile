# Builds one image for each service:
#     docker build --target auth-service -t auth-service .
#     docker build --target resource-service -t resource-service .
# Works with BuildKit and with the legacy builder. Each image has a bill of materials at
# /sbom.cdx.json, a name that Trivy and Syft recognise.

# Needs rustc and a C compiler. SQLite, libpq, OpenSSL, aws-lc and libc are linked in statically.
ARG BUILD_IMAGE=rust:1-slim-bookworm
# Needs CA certificates, /etc/passwd and /etc/nsswitch.conf. No library, no shell.
ARG RUNTIME_IMAGE=gcr.io/distroless/static-debian12:nonroot

FROM ${BUILD_IMAGE} AS toolchain
# Needs no network if the packages are installed already.
RUN dpkg-query -W libssl-dev pkg-config >/dev/null 2>&1 \
    || { apt-get update && apt-get install -y --no-install-recommends libssl-dev pkg-config; }
# Static linking, with the same libc as in the tests (glibc). getaddrinfo then supports the sources
# "files" and "dns" only. RUSTFLAGS must not apply to build scripts, so the build names a target.
ENV CARGO_TARGET_DIR=/target RUSTFLAGS="-C target-feature=+crt-static" OPENSSL_STATIC=1
RUN printf '%s\n' '#!/bin/sh' 'set -eu' "target=$(rustc -vV | sed -n 's/^host: //p')" \
        'set -- --release --locked --target "$target" -p auth-service -p resource-service "$@"' \
        'cargo build "$@"' \
        'ln -sfn "/target/$target/release" /release' >/build-services \
    && chmod 755 /build-services
WORKDIR /workspace

# The workspace with empty crates in place of the real ones. This stage changes only when a manifest
# changes. So the first command of the stage "build", which compiles the dependencies, comes from
# the cache when only source code has changed.
FROM toolchain AS manifests
COPY . .
# Keeps the benchmarks, which a manifest names, and the build settings in .cargo.
RUN find . -type f ! -name Cargo.toml ! -name Cargo.lock ! -path '*/benches/*' \
        ! -path './.cargo/*' -delete \
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
# The sources must be newer than the empty crates, otherwise cargo does not rebuild them.
RUN find . -name '*.rs' -exec touch {} + \
    && /build-services --features auth-service/postgres-tls \
    # The profile strips no program of a package with settings of its own.
    && strip /release/auth-service /release/resource-service \
    && export STATIC_LIBC=1 target="$(rustc -vV | sed -n 's/^host: //p')" \
    && scripts/sbom auth-service --features postgres-tls --target "$target" \
        >/release/auth-service.cdx.json \
    && scripts/sbom resource-service --target "$target" \
        >/release/resource-service.cdx.json \
    # A new volume that is mounted on one of these folders inherits its owner and mode.
    && mkdir -p /folders/client /folders/secret /folders/data && chmod 700 /folders/*

FROM ${RUNTIME_IMAGE} AS resource-service
COPY --from=build /release/resource-service /resource-service
COPY --from=build /release/resource-service.cdx.json /sbom.cdx.json
ENV RESOURCE_ADDR=0.0.0.0:8081
EXPOSE 8081
# User "nonroot" of the base image, as a number: orchestrators can verify that a number is not root.
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/resource-service", "healthcheck"]
ENTRYPOINT ["/resource-service"]

FROM ${RUNTIME_IMAGE} AS auth-service
COPY --from=build --chown=65532:65532 /folders/client /client
COPY --from=build --chown=65532:65532 /folders/secret /secret
COPY --from=build --chown=65532:65532 /folders/data /data
COPY --from=build /release/auth-service /auth-service
COPY --from=build /release/auth-service.cdx.json /sbom.cdx.json
# SECRET_KEY_FILE is unset. Without DATABASE_URL, auth-service creates the secret in the data
# folder, the only volume to mount. With DATABASE_URL, mount the secret that all replicas share on
# /secret and set SECRET_KEY_FILE=/secret/secret.key.
ENV AUTH_ADDR=0.0.0.0:8080 DATA_DIR=/data
EXPOSE 8080
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/auth-service", "healthcheck"]
ENTRYPOINT ["/auth-service"]
