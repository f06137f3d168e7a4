// The shapes that the pages have by hand, held equal to the interface's description: `npm run check` fails when one of
// them asks for what no answer has. An answer's member that may be null is null, not absent, where a page reads it.

import type { FieldSession } from '../field/sync/store'
import type { AssessmentMonth, ScoreEdition } from './assessment'
import type { Spec } from './spec'
import type { Case, Session, Unit, User } from './types'

/** The members of a shape that may be null. */
type Nullable<T> = { [Name in keyof T]-?: null extends T[Name] ? Name : never }[keyof T]
type Told<T> = T extends (infer Item)[]
  ? Told<Item>[]
  : T extends object
    ? { [Name in Nullable<T>]-?: Told<Exclude<T[Name], undefined>> } & { [Name in Exclude<keyof T, Nullable<T>>]: Told<T[Name]> }
    : T
type Fits<Name extends keyof Spec, Own> = keyof Own extends keyof Spec[Name]
  ? Told<Spec[Name]> extends Own
    ? true
    : ['another shape than', Name]
  : ['unknown to', Name, Exclude<keyof Own, keyof Spec[Name]>]
type Held<T extends true> = T

export type All = [
  Held<Fits<'AssessmentMonth', AssessmentMonth>>,
  Held<Fits<'Case', Case>>,
  Held<Fits<'ScoreEdition', ScoreEdition>>,
  Held<Fits<'Tokens', FieldSession>>,
  Held<Fits<'Tokens', Session>>,
  Held<Fits<'Unit', Unit>>,
  Held<Fits<'User', User>>,
]
