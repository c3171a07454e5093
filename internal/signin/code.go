package signin

import (
	"fmt"
	"strconv"
	"strings"
)

// Code is why a sign-in ended as it did. 0 is success. Entra's number is used
// where the meaning is the same (they start at 16000); 1001–9999 are our own,
// for facts only mail has.
type Code int

// Our own codes.
const (
	OK                   Code = 0
	SwitchedOff          Code = 1001
	PasswordNotAllowed   Code = 1002
	ModernNotAllowed     Code = 1003
	BackendAway          Code = 1010
	BackendName          Code = 1011
	LogUnavailable       Code = 1012
	Busy                 Code = 1013
	DirectoryAway        Code = 1014
	InternalFault        Code = 1015
	TokenExpired         Code = 1020
	TokenNotYetValid     Code = 1021
	TokenInvalid         Code = 1022
	TokenOfAnother       Code = 1023
	TokenAtWrongDoor     Code = 1024
	IdentityOfAnother    Code = 1025
	CertificateInvalid   Code = 1026
	CertificateRevoked   Code = 1027
	CredentialMalformed  Code = 1028
	NoBackend            Code = 1030
	NotLent              Code = 1031
	ObservedRefusal      Code = 1040
	SessionPolicyChanged Code = 1050
	SessionEnded         Code = 1051
	SessionExpired       Code = 1052
	RefusalsLost         Code = 1060
	AppPasswordProtocol  Code = 1070
	AppPasswordNetwork   Code = 1071
	AppPasswordCountry   Code = 1072
	AppPasswordSender    Code = 1073
	AppPasswordExpired   Code = 1074
	AppPasswordRevoked   Code = 1075
	AppPasswordProgram   Code = 1076
	AppPasswordRate      Code = 1077
	AppPasswordOfAnother Code = 1078
	AppPasswordUnknown   Code = 1079
	AppPasswordIdle      Code = 1080
	AppPasswordBackend   Code = 1081
	SourceDenied         Code = 1082
	PassUsedUp           Code = 1083
	PassExpired          Code = 1084
	EnrolNotHere         Code = 1085
	ProviderRefused      Code = 1090
	ProviderStale        Code = 1091
	ProviderForAnother   Code = 1092
	GrantEnded           Code = 1093
	GrantReplayed        Code = 1094
	GrantElsewhere       Code = 1095
	ScopeMissing         Code = 1096
	ClientForbidden      Code = 1097
	FlowNotAllowed       Code = 1098
)

// Entra's codes that mean the same here.
const (
	UserUnknown          Code = 50034
	Throttled            Code = 50053
	PasswordExpired      Code = 50055
	UserDisabled         Code = 50057
	FactorNeeded         Code = 50074
	MFARequired          Code = 50076
	SignInTooOld         Code = 50078
	WrongCredentials     Code = 50126
	DeviceNotCompliant   Code = 53000
	DeviceNotDomain      Code = 53001
	AppNotApproved       Code = 53002
	BlockedByPolicy      Code = 53003
	PasswordChangeNeeded Code = 50135
	TermsOfUseNeeded     Code = 50158
	FactorFailed         Code = 500121
)

// Asking are the codes that an interrupted sign-in may have (Event.Interrupted).
var Asking = []Code{FactorNeeded, MFARequired, SignInTooOld, PasswordChangeNeeded, TermsOfUseNeeded, DeviceNotCompliant, DeviceNotDomain, AppNotApproved, BlockedByPolicy}

// Meaning is what a code says, to whom.
type Meaning struct {
	Code  Code
	Title string
	User  string // one sentence on the wire or a page, with the next step; tells nothing that hangs on a secret
	Admin string // what happened and how to mend it
}

var meanings = []Meaning{
	{OK, "Signed in", "Signed in.", "The sign-in was allowed; every policy that applied was satisfied."},
	{SwitchedOff, "Protocol switched off", "This way of reaching mail is switched off for this mailbox. Use another program or ask your administrator.", "A protocol switch of the organisation, domain, group or mailbox is false. `portreeve mailbox show ADDRESS` says which object; `portreeve mailbox set` changes it."},
	{PasswordNotAllowed, "Password not allowed here", "Signing in with a password is off here. Use a program that signs in with a browser, or ask your administrator.", "An authentication policy does not allow basic authentication on this protocol. `portreeve authpolicy list` shows the policies and who has them."},
	{ModernNotAllowed, "Modern authentication not allowed here", "Signing in with a token is off here. Ask your administrator.", "An authentication policy blocks modern authentication on this protocol (BlockModernAuth…)."},
	{BackendAway, "Mail server away", "The mail server cannot be reached just now. Nothing is wrong with your password; try again in a few minutes.", "The backend did not answer, was too slow, or refused the connection. `portreeve backend check` tries every port."},
	{BackendName, "Mail server knows another name", "The mail server cannot be reached just now. Ask your administrator.", "The backend reported another final name than ours. Configure that alias, so that one person has one name everywhere."},
	{LogUnavailable, "Sign-in log cannot be written", "Sign-in is not possible just now. Nothing is wrong with your password; try again in a few minutes.", "No door opens without a record, and the record could not be made durable. Free disk space or mend the database; `portreeve status` shows the state."},
	{Busy, "Too busy", "Too many sign-ins at this moment. Try again in a minute.", "The pool that checks passwords was full. If this lasts, somebody is guessing: `portreeve signins list` shows from where."},
	{DirectoryAway, "Directory away", "Sign-in is not possible just now. Nothing is wrong with your password; try again in a few minutes.", "The directory or token issuer could not be asked."},
	{InternalFault, "Our own fault", "Sign-in is not possible just now. Nothing is wrong with your password; try again in a few minutes.", "Something failed inside the gate; the operator's log has the cause."},
	{TokenExpired, "Token expired", "Your program's sign-in has run out. Sign in again in the browser.", "The bearer token's time is over. Programs normally refresh it by themselves."},
	{TokenNotYetValid, "Token not yet valid", "Your program's sign-in is not valid yet. Check the clock of your device.", "The token's nbf or iat lies in the future: clocks differ by more than the allowed minute."},
	{TokenInvalid, "Token not accepted", "Your program's sign-in is not accepted here. Sign in again in the browser.", "Signature, issuer or form of the token is not what a configured issuer makes."},
	{TokenOfAnother, "Token of somebody else", "Your program signed in as somebody else. Sign in again with this mailbox's address.", "The token's person is not the mailbox asked for, and no delegate right says otherwise."},
	{TokenAtWrongDoor, "Token for another door", "Your program's sign-in is not meant for this server. Sign in again in the browser.", "The token's audience is not this door, or it is one that we mint for backends."},
	{IdentityOfAnother, "Identity of somebody else", "You cannot sign in to this mailbox as that person.", "The authorization identity differs from the person who proved themselves, and no delegate right allows it."},
	{CertificateInvalid, "Certificate not accepted", "Your certificate is not accepted here. Ask your administrator.", "The client certificate names nobody we know, or not the mailbox asked for."},
	{CertificateRevoked, "Certificate revoked", "Your certificate is no longer valid. Ask your administrator.", "The client certificate is on a revocation list."},
	{CredentialMalformed, "Credential malformed", "Your program sent a sign-in that cannot be read.", "A name or password held NUL, CR or LF, or the SASL response was malformed; nothing was passed on."},
	{NoBackend, "No mail server for this name", "Sign-in failed.", "No backend is routed for this person's domain or this protocol."},
	{NotLent, "Mail server lends no mailbox", "This mailbox cannot be opened by somebody else here. Ask your administrator.", "A delegate proved who they are, but the mailbox's backend has `login: password`: it knows the mailbox's own password only, and no delegate can be passed on. Give it `login: master` or `login: token`."},
	{ObservedRefusal, "Refused by the mail server", "Sign-in failed.", "Observed: the mail server itself refused this sign-in; it only told us."},
	{SessionPolicyChanged, "Session closed by a change", "A change of policy ended this connection. Your program will sign in again.", "A change of policy, location, switch, person or credential no longer lets this session pass."},
	{SessionEnded, "Session closed by an administrator", "An administrator ended this connection.", "`portreeve session kill` or a revocation ended it."},
	{SessionExpired, "Session ran out", "This connection's sign-in ran out. Your program will sign in again.", "The proof the session hangs on ran out (sign-in frequency or session_max)."},
	{RefusalsLost, "Refusals may be missing", "", "The server was stopped hard; refusals of up to the last second before it may be missing from the log. No success is."},
	{AppPasswordProtocol, "App password: other protocol", "Sign-in failed.", "The app password was right, but it is not made for this protocol. `portreeve apppw list` shows what it is for."},
	{AppPasswordNetwork, "App password: other network", "Sign-in failed.", "The app password was right, but it may not be used from this network."},
	{AppPasswordCountry, "App password: other country", "Sign-in failed.", "The app password was right, but it may not be used from this country."},
	{AppPasswordSender, "App password: other sender", "This password may not send from that address.", "The app password was right, but the mail's envelope sender or its author (From) is none that it may use; the detail says which."},
	{AppPasswordExpired, "App password expired", "Sign-in failed.", "The app password was right, but its time is over."},
	{AppPasswordRevoked, "App password revoked", "Sign-in failed.", "The app password was right, but it has been revoked."},
	{AppPasswordProgram, "App password: other program", "Sign-in failed.", "The app password was right, but it belongs to another program or network owner. If the program was only updated, the person can approve it in the portal."},
	{AppPasswordRate, "App password: too many messages", "Too many messages; try again later.", "The app password has sent as many messages in this hour as it may."},
	{AppPasswordOfAnother, "App password of somebody else", "Sign-in failed.", "The app password was right, but it is another person's."},
	{AppPasswordUnknown, "No such app password", "Sign-in failed.", "It looks like one of our app passwords, but nobody has it."},
	{AppPasswordIdle, "App password unused too long", "Sign-in failed.", "The app password was right, but it was not used for longer than it may be."},
	{AppPasswordBackend, "App password: no way into the mail server", "The mail server cannot be reached with this kind of password. Nothing is wrong with it; ask your administrator.", "The app password was right, but the backend's login is password: only the person's own password signs in there. Set backends.NAME.login to master or token."},
	{SourceDenied, "Source denied by its owner", "Sign-in failed.", "The person said of an earlier sign-in from here that it was not theirs; their password is no longer looked at from this network."},
	{PassUsedUp, "Pass used up", "This pass has been used already. Ask for a new one.", "The temporary access pass was right, but it was used before."},
	{PassExpired, "Pass expired", "This pass is not valid now. Ask for a new one.", "The temporary access pass was right, but its time has not come or is over."},
	{EnrolNotHere, "Enrolling not allowed here", "A first factor cannot be set up from here. Use a temporary access pass, or a network you have been using for at least a week.", "A first factor is enrolled only with a temporary access pass, from a trusted location, or from a network known for this person for a week. `portreeve pass issue ADDRESS` makes a pass."},
	{ProviderRefused, "Refused by the sign-in provider", "The sign-in page did not sign you in. Try again, or ask your administrator.", "The OpenID provider answered with an error, or its answer does not belong to what was asked; the operator's log says which. Nothing it said was believed."},
	{ProviderStale, "Sign-in begun elsewhere or too long ago", "This sign-in was begun in another browser, was used already, or took too long. Start again.", "What came back from the OpenID provider does not belong to a sign-in that this browser began within the last ten minutes, or came back twice."},
	{ProviderForAnother, "Provider vouches for another's person", "Sign-in failed.", "The OpenID provider vouched for somebody whose domain is not routed to it (issuers, sign_in, domains)."},
	{GrantEnded, "Sign-in withdrawn", "Your program's sign-in was withdrawn or has run out. Sign in again in the browser.", "What the token hangs on has ended: withdrawn in the portal or by an administrator, out of use for too long, run out, or ended by a new password. `portreeve session list --grants` shows what lives."},
	{GrantReplayed, "Sign-in used twice", "Your program's sign-in was used twice and has been ended to protect you. Sign in again in the browser; if you did not do it, tell your administrator.", "A code or a refresh token that had been used up was shown again, so that somebody may hold a copy: everything that hangs on it has ended. The detail names the network. A program restored from a backup does this too."},
	{GrantElsewhere, "Sign-in bound to another network", "Your program's sign-in is valid only in the network where it began. Sign in again from here.", "The grant is bound to a network, as one won by a device code is, and this attempt comes from another. An authenticationFlows policy that allows device codes widens it."},
	{ScopeMissing, "Token not for this door", "Your program was not allowed this kind of mail access. Sign in again in the browser and allow it.", "The token is good, but none of its scopes opens this protocol. The program must ask for the scope, and the client's limit (`portreeve client show`) must hold it."},
	{ClientForbidden, "Program forbidden", "Your organisation does not allow this program. Ask your administrator which one to use.", "The OAuth client is forbidden, not let in yet, not known, or asks only for what its limit excludes; the detail says which. `portreeve client list` shows them, `portreeve client allow` lets one in."},
	{FlowNotAllowed, "Device code not allowed from there", "Signing in with a code on another device is allowed only where both are in the same network. Sign in with a browser on the device that reads mail.", "Browser and program share no /24 or /48 and no trusted location, as with stolen device codes. `oauth.device_code` and authenticationFlows policies widen it."},
	{UserUnknown, "Nobody has this name", "Sign-in failed.", "The name typed resolves to nobody here. On the wire it reads like a wrong password."},
	{Throttled, "Too many wrong attempts", "Sign-in failed.", "This source or credential knocked too often with wrong secrets; the account is not locked. On the wire it reads like a wrong password."},
	{PasswordExpired, "Password expired", "Your password has run out. Change it, or ask your administrator.", "The password was right but has expired."},
	{UserDisabled, "Person disabled", "Sign-in failed.", "The person exists but is disabled. `portreeve user enable ADDRESS` lets them in again."},
	{FactorNeeded, "Second factor asked for", "Confirm with your second factor.", "The first proof was right; the second has been asked for. This is an interruption, not a failure: the sign-in goes on under the same correlation id."},
	{MFARequired, "Second factor required", "Your organisation asks for a second factor here. Use a program that signs in with a browser, or ask your administrator.", "The secret was right, but policy asks for a second factor. In a browser the person was asked for one, and the sign-in goes on under the same correlation id; a program that knows only a password cannot be asked: one with modern authentication can."},
	{SignInTooOld, "Sign-in too old", "Your program's sign-in is too old. Sign in again in the browser.", "Sign-in frequency asks for a newer proof than the token carries."},
	{WrongCredentials, "Wrong name or password", "Sign-in failed: wrong name or password, or this program may not sign in here.", "The secret was wrong."},
	{DeviceNotCompliant, "Compliant device required", "Your organisation asks for a device that it manages. Ask your administrator.", "Policy requires a compliant device; none is known for this sign-in."},
	{DeviceNotDomain, "Domain-joined device required", "Your organisation asks for a device that it manages. Ask your administrator.", "Policy requires a domain-joined device; none is known for this sign-in."},
	{AppNotApproved, "Approved app required", "Your organisation does not allow this program. Ask your administrator which one to use.", "Policy requires an approved or protected app; this program cannot be one."},
	{BlockedByPolicy, "Blocked by policy", "Your organisation does not allow this kind of sign-in. Use a program that signs in with a browser, or ask your administrator.", "A conditional access policy blocks this sign-in. `portreeve signins show REF` names it and every condition."},
	{PasswordChangeNeeded, "Password change required", "Your password must be changed first. Ask your administrator.", "Policy requires a password change first."},
	{TermsOfUseNeeded, "Terms or custom control required", "Your organisation asks for something that a mail program cannot show. Ask your administrator.", "Policy requires terms of use or a custom control, which a mail program cannot show."},
	{FactorFailed, "Second factor failed", "That code or key was not accepted. Try again.", "The first proof was right, the second was not: a wrong or used code, or a key that does not fit."},
}

// Meanings lists every code's meaning, for generated pages.
func Meanings() []Meaning { return meanings }

// Meaning finds what the code means; an unknown number means our own fault.
func (c Code) Meaning() Meaning {
	for _, m := range meanings {
		if m.Code == c {
			return m
		}
	}
	return Meaning{Code: c, Title: "Code " + c.String(), User: "Sign-in failed.", Admin: "No sentence is known for this code."}
}

// String is the code as people see it: PR53003.
func (c Code) String() string { return fmt.Sprintf("PR%d", int(c)) }

// ParseCode reads PR53003, pr53003 or 53003, and says whether such a code exists.
func ParseCode(s string) (Code, bool) {
	s = strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(s)), "PR")
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, false
	}
	for _, m := range meanings {
		if int(m.Code) == n {
			return m.Code, true
		}
	}
	return 0, false
}
