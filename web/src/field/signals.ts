// What a person feels and hears without looking: gloves, sun and traffic leave little else. Tones are made here, so that
// nothing must be fetched; whoever wants silence has it.

export type Signal = 'shot' | 'saved' | 'done' | 'wrong'

/** Vibration in milliseconds, and tones as [hertz, milliseconds]. */
const SIGNALS: Record<Signal, { shake: number[]; tones: [number, number][] }> = {
  shot: { shake: [40], tones: [[1200, 40]] },
  saved: { shake: [40, 60, 40], tones: [[880, 80], [1175, 120]] },
  done: { shake: [30, 40, 30], tones: [[660, 80], [880, 80], [1320, 160]] },
  wrong: { shake: [200], tones: [[220, 250]] },
}

let audio: AudioContext | null = null

export function play(signal: Signal, aloud: boolean): void {
  const { shake, tones } = SIGNALS[signal]
  // Both are refused before the first touch of the page, and then there is nobody to tell.
  navigator.vibrate?.(shake)
  if (!aloud || typeof AudioContext === 'undefined') return
  try {
    audio ??= new AudioContext()
    let at = audio.currentTime
    for (const [hertz, ms] of tones) {
      const tone = audio.createOscillator()
      const volume = audio.createGain()
      tone.frequency.value = hertz
      volume.gain.value = 0.15
      tone.connect(volume).connect(audio.destination)
      tone.start(at)
      at += ms / 1000
      tone.stop(at)
    }
  } catch (error) {
    console.error(error)
  }
}
