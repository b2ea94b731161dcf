# syntax=docker/dockerfile:1
# Any image with Python 3.11 or newer and its venv module will do as base.
ARG BASE_IMAGE=python:3.12-slim-bookworm

FROM ${BASE_IMAGE} AS build
WORKDIR /src
RUN python3 -m venv /opt/upwell
# The dependencies change seldom, the code often: they are a layer of their own.
COPY pyproject.toml constraints.txt ./
RUN python3 -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
        print(*p['dependencies'], *p['optional-dependencies']['postgres'], sep='\n')" > requirements.txt \
    && /opt/upwell/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt -r requirements.txt
COPY README.md LICENSE ./
COPY service service
COPY sensors sensors
RUN /opt/upwell/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps . \
    && /opt/upwell/bin/python -m compileall -q /opt/upwell/lib

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="Upwell" \
      org.opencontainers.image.description="Webhooks, files and timers make data assets fresh" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/upwell /opt/upwell
COPY config/upwell.toml /etc/upwell/upwell.toml
RUN echo "upwell:x:10001:" >> /etc/group \
    && echo "upwell:x:10001:10001:Upwell:/data:/usr/sbin/nologin" >> /etc/passwd \
    && mkdir -p /app /data && chown 10001:10001 /data
# Everything that is ever written goes to /data (and /tmp), so the root file system may be read-only.
ENV PATH=/opt/upwell/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    UPWELL_CONFIG=/etc/upwell/upwell.toml \
    UPWELL_HOME=/data \
    UPWELL_HOST=0.0.0.0
VOLUME /data
WORKDIR /app
USER 10001:10001
EXPOSE 8600
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["python", "-c", \
    "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('UPWELL_PORT', '8600') + '/healthz', timeout=4)"]
ENTRYPOINT ["upwell"]
CMD ["serve"]
