# One image, three commands: gunicorn (the default), idp worker, idp … for operators. The stage `backup` is the same
# with the programs that `idp backup` and `idp restore` run.
# It holds the wheel and its locked dependencies; keys, secrets and settings come at run time.
FROM node:22-bookworm-slim AS browser-code
WORKDIR /source
COPY package.json package-lock.json .npmrc ./
COPY requirements/browser-code.sh requirements/franceconnect-button.mjs requirements/
RUN mkdir -p idp/static idp/infra && requirements/browser-code.sh --omit=dev

FROM python:3.11-slim-bookworm AS build

RUN apt-get update \
 && apt-get install --yes --no-install-recommends gcc libc6-dev libffi-dev \
 && rm -rf /var/lib/apt/lists/*
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
COPY requirements/build.txt requirements/run.txt requirements/
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --no-deps --require-hashes --requirement requirements/build.txt \
 && python -m venv /opt/idp \
 && /opt/idp/bin/pip install --no-deps --require-hashes --requirement requirements/run.txt

# Argon2 compiled for the processors of the fund (20 ms a hash instead of 29); empty keeps the wheel, which runs anywhere.
ARG ARGON2_CFLAGS=""
RUN if [ -n "$ARGON2_CFLAGS" ]; then \
      CFLAGS="$ARGON2_CFLAGS" ARGON2_CFFI_USE_SSE2=1 /opt/idp/bin/pip install --no-deps --require-hashes \
        --force-reinstall --no-binary argon2-cffi-bindings --requirement requirements/run.txt; \
    fi

COPY pyproject.toml setup.cfg README.md LICENSE ./
COPY templates templates
COPY idp idp
COPY --from=browser-code /source/idp/static/altcha idp/static/altcha
COPY --from=browser-code /source/idp/static/franceconnect idp/static/franceconnect
COPY --from=browser-code /source/idp/infra/fonts idp/infra/fonts
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /wheels . \
 && /opt/idp/bin/pip install --no-deps --no-index /wheels/*.whl \
 && /opt/idp/bin/pip uninstall --yes pip setuptools

FROM python:3.11-slim-bookworm AS run

# Volumes mounted here are born with this owner and mode: keys and secrets that others could read are refused.
RUN groupadd --system --gid 10001 idp \
 && useradd --system --uid 10001 --gid idp --home-dir /var/lib/idp --no-create-home idp \
 && install --directory --owner=idp --group=idp --mode=0700 \
      /var/lib/idp /var/lib/idp/keys /var/lib/idp/secrets /var/lib/idp/spool /var/lib/idp/backup
COPY --from=build /opt/idp /opt/idp
COPY deploy/gunicorn.conf.py deploy/daily /etc/idp/
ENV PATH=/opt/idp/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    IDP_DATA_DIR=/var/lib/idp
WORKDIR /var/lib/idp

FROM run AS backup
RUN apt-get update \
 && apt-get install --yes --no-install-recommends postgresql-client-15 \
 && rm -rf /var/lib/apt/lists/*
# Of the very version that is saved: an older one cannot read what a newer one wrote.
COPY --from=redis:7-bookworm /usr/local/bin/redis-cli /usr/local/bin/redis-server /usr/local/bin/
USER 10001:10001
ENTRYPOINT ["idp"]

FROM run

# Each password hash takes 19 MiB: on huge pages of its own, and back to the system afterwards (bench/README.md).
ENV GLIBC_TUNABLES=glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4194304:glibc.malloc.arena_max=1
ENV IDP_BIND=0.0.0.0:8000 \
    IDP_DRAIN_SECONDS=5
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=4s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=3)"]
CMD ["gunicorn", "-c", "/etc/idp/gunicorn.conf.py", "idp.app:create_app()"]
