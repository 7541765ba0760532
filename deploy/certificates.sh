#!/bin/sh
# Certificates for a broker: an authority of our own, and server and client certificates that it signs. Needs openssl 1.1.1+.
#
#   certificates.sh FOLDER authority                    ca.pem, ca.key: once; ca.pem goes to every device
#   certificates.sh FOLDER server NAME...               server.pem, server.key for these host names and addresses
#   certificates.sh FOLDER client NAME                  client-NAME.pem, client-NAME.key, for require_certificate
#   certificates.sh FOLDER renew server|client-NAME     a new certificate for the same key and names; the old one is kept
#   certificates.sh FOLDER show                         what there is and until when
#
# Nothing is ever overwritten. Keep ca.key off the broker: whoever has it can be the broker.
# AUTHORITY_DAYS (3650) and DAYS (397) say how long they are good for.
set -eu
umask 077

fail() { echo "certificates.sh: $1" >&2; exit 2; }
usage() { sed -n '3,8s/^# \{0,3\}//p' "$0" >&2; exit 2; }

[ $# -ge 2 ] || usage
folder=$1 what=$2
shift 2
command -v openssl >/dev/null || fail "openssl is missing: apt-get install openssl"
mkdir -p "$folder"
cd "$folder"

absent() { for file; do [ ! -e "$file" ] || fail "$folder/$file exists; it is not overwritten"; done; }
present() { for file; do [ -e "$file" ] || fail "$folder/$file is missing: $remedy"; done; }
quietly() { said=$("$@" 2>&1) || fail "$1 says: $said"; }
new_key() { quietly openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }

# names as a subjectAltName: addresses are told from host names by their form
alternatives() {
    list=
    for name; do
        case $name in
            *[!A-Za-z0-9.:*-]* | '') fail "'$name' is neither a host name nor an address" ;;
            *:* | *[0-9].[0-9]*.[0-9]*.[0-9]*) form=IP ;;
            *) form=DNS ;;
        esac
        list="$list${list:+,}$form:$name"
    done
    echo "$list"
}

# sign NAME: NAME.key and NAME.ext become NAME.pem
sign() {
    quietly openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
    quietly openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -set_serial "0x$(openssl rand -hex 16)" \
        -days "${DAYS:-397}" -sha256 -extfile "$1.ext" -out "$1.pem.new"
    quietly openssl verify -CAfile ca.pem "$1.pem.new"
    rm "$1.csr"
    chmod 644 "$1.pem.new"
    mv "$1.pem.new" "$1.pem"
}

# issue NAME USAGE ALTERNATIVES
issue() {
    remedy="make it with: certificates.sh $folder authority" && present ca.pem ca.key
    absent "$1.pem" "$1.key"
    new_key "$1.key"
    printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=%s\n%s\n' \
        "$2" "subjectAltName=$3" >"$1.ext"
    sign "$1"
    echo "$folder/$1.pem ($3)"
}

case $what in
    authority)
        absent ca.pem ca.key
        new_key ca.key
        quietly openssl req -x509 -new -key ca.key -sha256 -days "${AUTHORITY_DAYS:-3650}" \
            -subj "/CN=Wanglou authority $(openssl rand -hex 4)" -addext "keyUsage=critical,keyCertSign,cRLSign" -out ca.pem
        chmod 644 ca.pem
        echo "$folder/ca.pem"
        ;;
    server)
        [ $# -ge 1 ] || usage
        names=$(alternatives "$@")
        issue server serverAuth "$names"
        ;;
    client)
        [ $# -eq 1 ] || usage
        names=$(alternatives "$1")
        issue "client-$1" clientAuth "$names"
        ;;
    renew)
        [ $# -eq 1 ] || usage
        remedy="there is nothing to renew" && present "$1.pem" "$1.key" "$1.ext" ca.pem ca.key
        old=$1.until-$(date -u -d "$(openssl x509 -in "$1.pem" -noout -enddate | cut -d= -f2)" +%Y%m%dT%H%M%SZ).pem
        absent "$old"
        cp -p "$1.pem" "$old"
        sign "$1"
        echo "$folder/$1.pem (the old one is $folder/$old)"
        ;;
    show)
        for file in *.pem; do
            [ -e "$file" ] || fail "there is no certificate in $folder"
            echo "$file: $(openssl x509 -in "$file" -noout -enddate -ext subjectAltName 2>/dev/null | tr -s '\n ' ' ')"
        done
        ;;
    *) usage ;;
esac
