#!/bin/sh
# Makes sure that the real servers and programs the tests run against are here:
# installs them when it may (root on Debian), else says exactly what is missing.
set -eu

# package=program it brings (or a file)
wanted='
gcc=gcc
dovecot-imapd=/usr/lib/dovecot/imap
dovecot-pop3d=/usr/lib/dovecot/pop3
dovecot-submissiond=/usr/lib/dovecot/submission
dovecot-managesieved=/usr/lib/dovecot/managesieve
postfix=/usr/sbin/postfix
curl=curl
isync=mbsync
msmtp=msmtp
fetchmail=fetchmail
neomutt=neomutt
swaks=swaks
sieve-connect=sieve-connect
python3=/usr/bin/python3
libsasl2-modules=/usr/share/doc/libsasl2-modules/copyright
libsasl2-modules-kdexoauth2=/usr/share/doc/libsasl2-modules-kdexoauth2/copyright
libnet-ssleay-perl=/usr/share/doc/libnet-ssleay-perl/copyright
php-cli=php
php-net-sieve=/usr/share/php/Net/Sieve.php
bsdutils=script
openssl=openssl
'

missing=
for line in $wanted; do
	package=${line%%=*} program=${line#*=}
	case $program in
	/*) [ -e "$program" ] || missing="$missing $package" ;;
	*) command -v "$program" >/dev/null 2>&1 || missing="$missing $package" ;;
	esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	echo "installing from Debian:$missing"
	# policy-rc.d keeps the packages from starting services of their own.
	if [ ! -e /usr/sbin/policy-rc.d ]; then
		printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
		chmod +x /usr/sbin/policy-rc.d
		trap 'rm -f /usr/sbin/policy-rc.d' EXIT
	fi
	apt-get update -qq
	# shellcheck disable=SC2086
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
	exit 0
fi

echo "The tests run against real servers and programs; these Debian packages are missing:"
echo "   $missing"
echo "Install them as root:  apt-get install --no-install-recommends$missing"
exit 1
