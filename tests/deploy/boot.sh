#!/bin/bash
# The first process of namespaces of its own (mounts, processes, network, cgroups): makes an overlay of this machine's root
# and becomes systemd in it, with the shipped unit, drop-in, broker configuration and site file. Nothing outside is touched;
# when this process ends, everything in it has ended. Exit code 77: this kernel does not let us.
#   boot.sh RESULT SOURCE PACKAGES PYTHON-PREFIX
set -eux
[ $$ = 1 ] || { echo "This is for test_boot.py: it must be the first process of its namespaces." >&2; exit 2; }
result=$1 source=$2 packages=$3 prefix=$4

mount --make-rprivate / || exit 77
mount -t tmpfs overlay "$result/root" || exit 77
cd "$result/root"
mkdir upper work root
mount -t overlay overlay -o "lowerdir=/,upperdir=upper,workdir=work" root || exit 77
cd root
mount -t proc proc proc
mount -t sysfs sysfs sys
for folder in run tmp dev; do mount -t tmpfs "$folder" "$folder"; done
chmod 1777 tmp
for node in null zero random urandom full tty; do touch "dev/$node" && mount --bind "/dev/$node" "dev/$node"; done
mkdir dev/shm dev/pts dev/mqueue
mount -t tmpfs -o mode=1777 shm dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mkdir -p sys/fs/cgroup
mount -t cgroup2 cgroup sys/fs/cgroup || exit 77
mkdir -p mnt/result mnt/old opt/python opt/packages opt/source
mount --bind "$result/report" mnt/result
mount --bind "$prefix" opt/python
mount --bind "$packages" opt/packages
cp -r "$source/monitor" "$source/rules" "$source/simulators" opt/source
chmod -R go+rX opt/source

# The program where the unit expects it; its libraries are those of the tests.
mkdir -p opt/wanglou/bin
cat >opt/wanglou/bin/wanglou <<'X'
#!/bin/sh
LD_LIBRARY_PATH=/opt/python/lib PYTHONPATH=/opt/source:/opt/packages exec /opt/python/bin/python3 -B -m monitor "$@"
X
chmod 755 opt/wanglou/bin/wanglou

# As docs/operations.md says.
echo "wanglou:x:990:990::/var/lib/wanglou:/usr/sbin/nologin" >>etc/passwd
echo "wanglou:x:990:" >>etc/group
install -d -m 750 -g 990 etc/wanglou
install -d -m 700 etc/wanglou/secrets
deploy=$source/deploy secrets=/run/credentials/wanglou.service
printf 'an API token for this test' >etc/wanglou/secrets/api-token
printf 'a password for this test' >etc/wanglou/secrets/mqtt-password
printf '%s\n' WANGLOU_DINGTALK_TOKEN=x WANGLOU_DINGTALK_SECRET=SECx WANGLOU_WEBHOOK_URL=http://127.0.0.1:9/ \
    WANGLOU_WEBHOOK_SECRET=whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY= WANGLOU_HANDOVER_URL=http://127.0.0.1:9/ \
    WANGLOU_ALIYUN_ID=x WANGLOU_ALIYUN_SECRET=x WANGLOU_TENCENT_ID=x WANGLOU_TENCENT_KEY=x >etc/wanglou/environment
for who in DUTY_DAY DUTY_NIGHT DUTY_LEADER MANAGER RELATIVE; do
    echo "WANGLOU_${who}_MOBILE=13800000000" >>etc/wanglou/environment
done
chmod 600 etc/wanglou/environment etc/wanglou/secrets/*
sed -e "s#{env: WANGLOU_MQTT_PASSWORD}#{file: $secrets/mqtt-password}#" -e "s#folder: data #folder: /var/lib/wanglou #" \
    -e "s#{env: WANGLOU_API_TOKEN}#{file: $secrets/api-token}#" "$deploy/site.example.yaml" >etc/wanglou/site.yaml
chown 0:990 etc/wanglou/site.yaml
chmod 640 etc/wanglou/site.yaml
install -d -m 750 -g mosquitto etc/mosquitto/wanglou
"$deploy/certificates.sh" etc/mosquitto/wanglou authority
"$deploy/certificates.sh" etc/mosquitto/wanglou server localhost
install -m 640 "$deploy/mosquitto/acl" etc/mosquitto/wanglou/acl
echo "wanglou:a password for this test" >etc/mosquitto/wanglou/passwords
mosquitto_passwd -U etc/mosquitto/wanglou/passwords
chown -R mosquitto: etc/mosquitto/wanglou var/lib/mosquitto
install -m 644 "$deploy/mosquitto/mosquitto.conf" etc/mosquitto/mosquitto.conf
rm -f etc/systemd/system/*.wants/* lib/systemd/system/*.wants/*
install -m 644 "$deploy/systemd/wanglou.service" etc/systemd/system/
install -D -m 644 "$deploy/systemd/credentials.conf" etc/systemd/system/wanglou.service.d/credentials.conf
# Nobody wants to wait for half a minute.
printf '[Service]\nWatchdogSec=5\nStandardOutput=append:/mnt/result/log\nStandardError=append:/mnt/result/log\n' \
    >etc/systemd/system/wanglou.service.d/test.conf

cat >etc/systemd/system/test.target <<'X'
[Unit]
Wants=mosquitto.service probe.service
X
cat >etc/systemd/system/probe.service <<'X'
[Unit]
After=mosquitto.service
[Service]
Type=oneshot
ExecStart=/bin/bash /etc/probe.sh
ExecStopPost=/bin/touch /mnt/result/over
X
cat >etc/probe.sh <<'X'
cd /mnt/result
show() { systemctl show wanglou.service | grep -E '^(ActiveState|Result|NRestarts|ExecMainStatus|MainPID)=' >"$1"; }
systemctl start wanglou.service 2>start.errors
show started
systemctl is-active --quiet wanglou.service || exit 1
process=$(systemctl show -p MainPID --value wanglou.service)
cat "/proc/$process/status" >process
stat -c '%U %a %n' /run/credentials/wanglou.service/* /var/lib/wanglou >files
for path in healthz readyz; do
    LD_LIBRARY_PATH=/opt/python/lib /opt/python/bin/python3 -c \
        "import urllib.request as r; r.urlopen('http://127.0.0.1:8119/$path', timeout=10)" && echo $path >>answers
done
systemctl reload wanglou.service
sleep 1
kill -STOP "$process"
for second in $(seq 30); do
    sleep 1
    [ "$(systemctl show -p NRestarts --value wanglou.service)" = 1 ] && systemctl is-active --quiet wanglou.service && break
done
show restarted
systemctl stop wanglou.service
show stopped
X

ip link set lo up
pivot_root . mnt/old
cd /
umount -l /mnt/old
# As the first systemd of a machine would do; credentials travel by it.
mount --make-rshared /
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=test.target --log-target=journal
