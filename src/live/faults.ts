/**
 * What the fault tests switch off to see that they would notice: what was lost, told twice, or told to those who may no
 * longer see it. Set by createApp's overrides alone.
 */
export interface Faults {
  fillHoles?: false
  dropRepeats?: false
  endAccess?: false
  compareHeads?: false
}
