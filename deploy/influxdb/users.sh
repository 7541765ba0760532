#!/bin/bash
# Run once by the image's entry point when the bucket has just been made (/docker-entrypoint-initdb.d).
# The daemon and Grafana speak InfluxDB's first interface (/write, /query). For that the bucket needs a database's name (DBRP
# mapping), and each of them a user and password of its own: the daemon may read and write this bucket, Grafana may read it.
set -euo pipefail
bucket=$DOCKER_INFLUXDB_INIT_BUCKET_ID org=$DOCKER_INFLUXDB_INIT_ORG

influx v1 dbrp create --org "$org" --bucket-id "$bucket" --db wanglou --rp autogen --default
influx v1 auth create --org "$org" --username wanglou --password "$(cat /run/secrets/influx-wanglou)" \
    --read-bucket "$bucket" --write-bucket "$bucket"
influx v1 auth create --org "$org" --username grafana --password "$(cat /run/secrets/influx-grafana)" \
    --read-bucket "$bucket"
