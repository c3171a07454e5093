// Package policy decides. It takes values and returns values: the facts of one
// sign-in and a compiled snapshot of all rules go in, a verdict comes out, and
// with Explain the words for it. It has no clock, no network, no database and
// no logger, so the live path, report-only, What-If and replay are the same call.
//
// Conditional access follows Microsoft Entra's documented semantics: every
// applicable policy must be satisfied, exclude beats include, block beats
// grant, report-only never enforces, unknown values have defined results.
package policy
