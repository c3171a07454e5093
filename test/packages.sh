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
mutt=mutt
aerc=aerc
offlineimap3=offlineimap
getmail6=getmail
s-nail=s-nail
git-email=/usr/lib/git-core/git-send-email
libmailtools-perl=/usr/share/perl5/Mail/Address.pm
gnome-keyring=gnome-keyring-daemon
dbus-daemon=dbus-daemon
dbus-bin=dbus-send
sieve-connect=sieve-connect
python3=/usr/bin/python3
python3-gi=/usr/share/doc/python3-gi/copyright
gir1.2-camel-1.2=/usr/share/doc/gir1.2-camel-1.2/copyright
evolution-data-server=/usr/lib/evolution-data-server/camel-providers/libcamelimapx.so
glib-networking=/usr/share/doc/glib-networking/copyright
libsasl2-modules=/usr/share/doc/libsasl2-modules/copyright
libsasl2-modules-kdexoauth2=/usr/share/doc/libsasl2-modules-kdexoauth2/copyright
libnet-ssleay-perl=/usr/share/doc/libnet-ssleay-perl/copyright
php-cli=php
php-cgi=php-cgi
roundcube-core=/var/lib/roundcube/index.php
roundcube-sqlite3=/usr/share/doc/roundcube-sqlite3/copyright
php-net-sieve=/usr/share/php/Net/Sieve.php
bsdutils=script
openssl=openssl
cyrus-common=/usr/lib/cyrus/bin/master
sasl2-bin=/usr/sbin/saslpasswd2
adduser=adduser
default-jdk-headless=javac
maven=mvn
unzip=unzip
chromium=chromium
npm=npm
slapd=/usr/sbin/slapd
ldap-utils=ldapmodify
samba=/usr/sbin/samba
samba-ad-provision=/usr/share/samba/setup
samba-dsdb-modules=/usr/share/doc/samba-dsdb-modules/copyright
samba-vfs-modules=/usr/share/doc/samba-vfs-modules/copyright
xvfb=Xvfb
thunderbird=/usr/lib/thunderbird/thunderbird-bin
'

# Of IMAP servers, POP3 servers and mail transport agents Debian installs one
# each. These stand beside the ones above: their packages are unpacked into a
# folder of their own, where nothing starts them, and what they need is
# installed. (Exim will not start without a user of its own.)
beside=/opt/portreeve-test
unpacked='
cyrus-imapd=usr/lib/cyrus/bin/imapd
cyrus-pop3d=usr/lib/cyrus/bin/pop3d
exim4-daemon-heavy=usr/sbin/exim4
'

# Keycloak, an OpenID provider, comes from Maven's repository and is made ready
# once, for an H2 database in memory. 26.0 runs on Java 17.
keycloak=26.0.8
provider=$beside/keycloak-$keycloak

# axe, which checks pages for accessibility, and libraries that sign in here come
# from npm: package@version=the folder it is in.
modules='
axe-core@4.14.1=axe-4.14.1
openid-client@6.8.9=openid-client-6.8.9
imapflow@1.0.190=imapflow-1.0.190
nodemailer@7.0.11=nodemailer-7.0.11
'

# JavaMail and what it needs come from Maven's repository.
javamail=1.6.7
activation=1.2.2
mailjars=$beside/javamail-$javamail

missing=
for line in $wanted; do
	package=${line%%=*} program=${line#*=}
	case $program in
	/*) [ -e "$program" ] || missing="$missing $package" ;;
	*) command -v "$program" >/dev/null 2>&1 || missing="$missing $package" ;;
	esac
done
lacking=
for line in $unpacked; do
	[ -x "$beside/${line#*=}" ] || lacking="$lacking ${line%%=*}"
done
[ -e "$provider/ready" ] || lacking="$lacking keycloak-$keycloak"
jars=
[ -e "$mailjars/jakarta.mail-$javamail.jar" ] && [ -e "$mailjars/jakarta.activation-$activation.jar" ] || jars=" javamail-$javamail"
unfetched=
for line in $modules; do
	module=${line%%=*} folder=${line#*=}
	[ -e "$beside/$folder/node_modules/${module%@*}/package.json" ] || unfetched="$unfetched $line"
done
[ -n "$missing$lacking$jars$unfetched" ] || exit 0

# again does what may fail for a moment, as what comes over a network does.
again() {
	for pause in 5 20 0; do
		"$@" && return
		sleep "$pause"
	done
	return 1
}

# unpack puts packages' files beside, and installs the libraries they name.
unpack() {
	debs=$(mktemp -d)
	(
		cd "$debs"
		chmod 755 .
		apt-get download -qq -o APT::Sandbox::User=root "$@"
		for deb in *.deb; do
			dpkg-deb -f "$deb" Depends | tr ',' '\n' | awk '$1 ~ /^lib/ {print $1}'
		done | sort -u | DEBIAN_FRONTEND=noninteractive xargs apt-get install -y -qq --no-install-recommends >/dev/null
		for deb in *.deb; do
			dpkg-deb -x "$deb" "$beside"
		done
	)
	rm -r "$debs"
	getent passwd Debian-exim >/dev/null ||
		adduser --system --group --quiet --home /var/spool/exim4 --no-create-home --disabled-login --force-badname Debian-exim
}

# fetch_provider gets Keycloak and builds it.
fetch_provider() {
	new=$(mktemp -d)
	mkdir -p "$beside"
	rm -rf "$provider"
	(
		cd "$new"
		again mvn -q -B -Dstyle.color=never dependency:copy -Dartifact="org.keycloak:keycloak-quarkus-dist:$keycloak:zip" -DoutputDirectory=.
		unzip -q "keycloak-quarkus-dist-$keycloak.zip" -d "$beside"
	)
	rm -r "$new"
	"$provider/bin/kc.sh" build --db=dev-mem --health-enabled=false >/dev/null
	touch "$provider/ready"
}

# fetch_javamail gets JavaMail's library.
fetch_javamail() {
	mkdir -p "$mailjars"
	for jar in "com.sun.mail:jakarta.mail:$javamail" "com.sun.activation:jakarta.activation:$activation"; do
		again mvn -q -B -Dstyle.color=never dependency:copy -Dartifact="$jar" -DoutputDirectory="$mailjars"
	done
}

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	echo "installing:$missing$lacking$jars$unfetched"
	# policy-rc.d keeps the packages from starting services of their own.
	if [ ! -e /usr/sbin/policy-rc.d ]; then
		printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
		chmod +x /usr/sbin/policy-rc.d
		trap 'rm -f /usr/sbin/policy-rc.d' EXIT
	fi
	again apt-get update -qq
	# shellcheck disable=SC2086
	[ -z "$missing" ] || DEBIAN_FRONTEND=noninteractive again apt-get install -y -qq --no-install-recommends $missing >/dev/null
	[ -z "$jars" ] || fetch_javamail
	for line in $unfetched; do
		mkdir -p "$beside/${line#*=}"
		again npm install --silent --no-audit --no-fund --no-save --prefix "$beside/${line#*=}" "${line%%=*}"
	done
	case $lacking in
	*keycloak-*)
		fetch_provider
		lacking=${lacking% keycloak-*}
		;;
	esac
	# shellcheck disable=SC2086
	[ -z "$lacking" ] || unpack $lacking
	exit 0
fi

echo "The tests run against real servers and programs; these are missing:"
echo "   $missing$lacking$jars$unfetched"
echo "Let root run test/packages.sh, which installs them."
exit 1
