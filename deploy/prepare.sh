#!/bin/sh
# Everything that compose.yaml needs and that must be different on every machine: passwords, tokens, certificates, folders.
#
#   ./prepare.sh [NAME...]      NAME: host names and addresses by which devices reach the broker, e.g. 192.168.1.10
#
# Run it as often as you like: what is there stays as it is. It writes `.env` and the folder `street` beside this file.
# The containers run as the owner of these files: you, or, when root runs this, the user and group 10119.
set -eu
umask 077
cd "$(dirname "$0")"

fail() { echo "prepare.sh: $1" >&2; exit 2; }
random() { openssl rand -hex "$1"; }
# secret NAME VALUE
secret() { [ -e "street/secrets/$1" ] || { printf '%s' "$2" >"street/secrets/$1" && echo "street/secrets/$1"; }; }

command -v openssl >/dev/null || fail "openssl is missing: apt-get install openssl"
mkdir -p street/secrets street/broker street/authority street/channels \
    street/data/mosquitto street/data/influxdb street/data/grafana street/data/wanglou

if [ ! -e .env ]; then
    owner=$(id -u) group=$(id -g)
    [ "$owner" != 0 ] || owner=10119 group=10119
    printf '# Written by prepare.sh: who the containers run as, and where the page is shown.\n%s\n%s\n%s\n' \
        "WANGLOU_UID=$owner" "WANGLOU_GID=$group" "WANGLOU_PAGE=127.0.0.1:8119" >.env
fi

secret api-token "$(random 32)"
secret mqtt-wanglou "$(random 24)"
secret mqtt-display "$(random 24)"
secret influx-admin-password "$(random 24)"
secret influx-admin-token "$(random 32)"
secret influx-wanglou "$(random 24)"
secret influx-grafana "$(random 24)"
secret grafana-admin "$(random 24)"

[ -e street/authority/ca.pem ] || ./certificates.sh street/authority authority
[ -e street/authority/server.pem ] || ./certificates.sh street/authority server mosquitto localhost 127.0.0.1 "$@"
for file in ca.pem server.pem server.key; do
    [ -e "street/broker/$file" ] || cp -p "street/authority/$file" street/broker/
done

# The broker's users. mosquitto_passwd replaces the passwords of a file by their hashes.
if [ ! -e street/broker/passwords ]; then
    new=street/broker/passwords.new
    for user in wanglou display; do echo "$user:$(cat "street/secrets/mqtt-$user")"; done >$new
    if command -v mosquitto_passwd >/dev/null; then
        mosquitto_passwd -U $new
    else
        docker run --rm --network none --user "$(id -u):$(id -g)" --volume "$PWD/street/broker:/broker" \
            eclipse-mosquitto:2.0 mosquitto_passwd -U /broker/passwords.new
    fi
    mv $new street/broker/passwords
    echo street/broker/passwords
fi
[ -e street/broker/acl ] || cp mosquitto/acl street/broker/acl
[ -e street/site.yaml ] || cp compose.site.yaml street/site.yaml
chmod 600 street/broker/acl street/site.yaml

if [ "$(id -u)" = 0 ]; then
    . ./.env
    # Whatever was made above is still root's; data that containers wrote has its owner already.
    find street -user 0 ! -path 'street/authority*' -exec chown "$WANGLOU_UID:$WANGLOU_GID" '{}' +
fi
echo "Ready. Write street/site.yaml, then: docker compose up --detach"
