# What hallmark's own image is built with: a Rust toolchain, a C compiler and the crates of Cargo.lock. docs/release.md says how.
#
# This build may use a network, so that the one after it needs none. RUST is an image with cargo and cc, by digest. Crates that are
# there already, as /out has them, take the place of the first stage: --build-context vendor=DIR.
ARG RUST

FROM ${RUST} AS vendor
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
# cargo wants to see a package, not what is in it: the builder changes with the lockfile, not with the sources.
RUN mkdir -p src /out/usr/local/cargo && touch src/lib.rs src/main.rs && \
    cargo vendor --locked --versioned-dirs /usr/local/cargo/vendor > /out/usr/local/cargo/config.toml && \
    mv /usr/local/cargo/vendor /out/usr/local/cargo/

FROM ${RUST}
ENV CARGO_HOME=/usr/local/cargo
COPY --from=vendor /out/ /
