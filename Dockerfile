# The service's images, one target each; the last one, the API, is the default: `gcloud run deploy --source .`.
#   docker build --target agent --tag clipping-agent .
# scripts/image builds and names them; docs/nas/ says how to run them. No feature of BuildKit is used, because
# the Docker of many NAS has none.
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

# What every image starts from.
FROM ${PYTHON_IMAGE} AS base
# Numeric IDs, so that a host with a non-root policy can verify them.
RUN groupadd --system --gid 10001 clipping \
    && useradd --system --uid 10001 --gid clipping --no-create-home --shell /usr/sbin/nologin clipping
ENV PATH=/app/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONFAULTHANDLER=1 \
    GRPC_ENABLE_FORK_SUPPORT=0 \
    CLIPPING_LOG__FORMAT=json

# What every environment is built with. Source packages are built with the locked build backend.
FROM base AS build
WORKDIR /src
COPY requirements/ requirements/
RUN python3 -m venv /app \
    && /app/bin/pip install --no-cache-dir --require-hashes --requirement requirements/build.txt
COPY pyproject.toml setup.cfg README.md LICENSE openapi.yaml ./
COPY clipping/ clipping/

# The packages in a layer of their own, cached until a version changes.
FROM build AS build-agent
RUN /app/bin/pip install --no-cache-dir --require-hashes --no-build-isolation \
        --requirement requirements/agent.txt --requirement requirements/ffmpeg.txt
COPY health/ health/
COPY agent/ agent/
COPY console/ console/
RUN /app/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
    && rm /app/bin/clipping /app/bin/clipping-api \
    && /app/bin/pip uninstall --yes setuptools pip

FROM build AS build-all
RUN /app/bin/pip install --no-cache-dir --require-hashes --no-build-isolation \
        --requirement requirements/runtime.txt --requirement requirements/ffmpeg.txt
COPY health/ health/
COPY agent/ agent/
COPY api/ api/
COPY embedded/ embedded/
COPY console/ console/
RUN /app/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
    && /app/bin/pip uninstall --yes setuptools pip

FROM build AS build-api
RUN /app/bin/pip install --no-cache-dir --require-hashes --no-build-isolation --requirement requirements/api.txt
COPY api/ api/
COPY console/ console/
RUN /app/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
    && rm /app/bin/clipping /app/bin/clipping-agent \
    && /app/bin/pip uninstall --yes setuptools pip

# What the agent's images share: the entrypoint, and the commands that go through it, also with `docker exec`.
FROM base AS runtime
RUN apt-get update --quiet=2 \
    && apt-get install --quiet=2 --yes --no-install-recommends tini >/dev/null \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY deploy/container/as_user.py /usr/local/bin/as-user
RUN chmod 0755 /usr/local/bin/as-user \
    && for name in clipping clipping-agent clipping-api; do \
        printf '#!/bin/sh\nexec as-user %s "$@"\n' "$name" >"/usr/local/bin/$name" && chmod 0755 "/usr/local/bin/$name"; \
    done
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
ENTRYPOINT ["as-user"]

# Agents on machines with an NVIDIA GPU: the host's driver brings the libraries.
FROM runtime AS nvidia
COPY --from=build-agent /app /app
# A volume takes the mode: any user may write to a new one.
RUN rm /usr/local/bin/clipping /usr/local/bin/clipping-api && install -d -m 1777 /var/lib/clipping-agent
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=video,compute,utility \
    CLIPPING_VOLUME=/var/lib/clipping-agent
VOLUME /var/lib/clipping-agent
EXPOSE 8005
HEALTHCHECK --interval=30s --timeout=15s --start-period=120s --retries=3 CMD ["clipping-agent", "ctl", "health"]
CMD ["clipping-agent", "run"]

# VAAPI for Intel's GPUs, and Quick Sync for those of 2020 and later. i965 is for chips before Broadwell.
FROM runtime AS intel
RUN if [ "$(dpkg --print-architecture)" = amd64 ]; then \
        apt-get update --quiet=2 \
        && apt-get install --quiet=2 --yes --no-install-recommends \
            libva2 libva-drm2 intel-media-va-driver i965-va-driver libmfx-gen1.2 >/dev/null \
        && rm -rf /var/lib/apt/lists/* /var/cache/apt/*; \
    fi

FROM intel AS agent
COPY --from=build-agent /app /app
RUN rm /usr/local/bin/clipping /usr/local/bin/clipping-api && install -d -m 1777 /var/lib/clipping-agent
ENV CLIPPING_VOLUME=/var/lib/clipping-agent
VOLUME /var/lib/clipping-agent
EXPOSE 8005
HEALTHCHECK --interval=30s --timeout=15s --start-period=120s --retries=3 CMD ["clipping-agent", "ctl", "health"]
CMD ["clipping-agent", "run"]

# The whole service on one machine: `clipping up`.
FROM intel AS all
COPY --from=build-all /app /app
RUN install -d -m 1777 /data
ENV CLIPPING_VOLUME=/data \
    CLIPPING_API__HOST=0.0.0.0
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=15s --start-period=120s --retries=3 CMD ["clipping-api", "health"]
CMD ["clipping", "up", "--data", "/data", "--nas-root", "/recordings"]

# The API alone: no agent, no ffmpeg.
FROM base AS api
COPY --from=build-api /app /app
ENV WEB_CONCURRENCY=2 \
    CLIPPING_API__HOST=0.0.0.0 \
    CLIPPING_API__PORT=8080
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=15s --start-period=60s --retries=3 CMD ["clipping-api", "health"]
# Without keys or accounts in the configuration it does not start: it would accept unauthenticated requests.
CMD ["gunicorn", "--config", "python:api.gunicorn_settings"]
