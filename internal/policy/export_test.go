package policy

// KindsOfCredential is for the tests of the judges, who stand outside because
// the plain judge does.
const KindsOfCredential = credentialKinds
