# Both services, each in an image of its own:
#     docker build --target auth-service -t auth-service .
#     docker build --target resource-service -t resource-service .
# Works with BuildKit and with the older builder.

# rustc and a C compiler: SQLite, libpq and the cryptography are compiled in.
ARG BUILD_IMAGE=rust:1-slim-bookworm
# libc, libgcc_s and CA certificates; no shell. Its libc must not be older than the one in the build image.
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot

# The workspace with empty crates in the place of ours: it changes only when a dependency does, so that the next
# stage, which compiles all dependencies, is taken from the cache when only our own code has changed.
FROM ${BUILD_IMAGE} AS manifests
WORKDIR /workspace
COPY . .
# Benchmarks stay, because a manifest names them.
RUN find . -type f ! -name Cargo.toml ! -name Cargo.lock ! -path '*/benches/*' -delete \
    && find . -mindepth 1 -type d -empty -delete \
    && for manifest in */Cargo.toml; do \
        crate=${manifest%/*} && mkdir "$crate/src" \
        && echo '//! Empty.' | tee "$crate/src/lib.rs" > "$crate/src/main.rs" \
        && echo 'fn main() {}' >> "$crate/src/main.rs" || exit 1; \
    done

FROM ${BUILD_IMAGE} AS build
ENV CARGO_TARGET_DIR=/target
WORKDIR /workspace
COPY --from=manifests /workspace .
RUN cargo build --release --locked -p auth-service -p resource-service
COPY . .
# Newer than the empty crates, or cargo takes those for the result.
RUN find . -name '*.rs' -exec touch {} + \
    && cargo build --release --locked -p auth-service -p resource-service \
    # Volumes mounted there for the first time inherit owner and mode.
    && mkdir -p /folders/client /folders/secret /folders/data && chmod 700 /folders/*

FROM ${RUNTIME_IMAGE} AS resource-service
COPY --from=build /target/release/resource-service /resource-service
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
COPY --from=build /target/release/auth-service /auth-service
# SECRET_KEY_FILE stays unset: without a database URL the secret is made in the data folder, which is then the one
# volume to mount. With one, mount the replicas' common secret on /secret, and set SECRET_KEY_FILE=/secret/secret.key.
ENV AUTH_ADDR=0.0.0.0:8080 DATA_DIR=/data
EXPOSE 8080
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/auth-service", "healthcheck"]
ENTRYPOINT ["/auth-service"]
