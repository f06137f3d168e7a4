//! The smallest H.264 (ITU-T H.264, Constrained Baseline) that every decoder plays, browsers included: key frames whose
//! macroblocks are uncompressed samples (I_PCM), and frames that skip every macroblock, repeating the last picture.

use image::RgbImage;

/// Which parameter sets and slices to write, by the size in macroblocks of 16 x 16.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coder {
    columns: u16,
    rows: u16,
}

impl Coder {
    /// For pictures of `width` x `height` pixels, rounded up to whole macroblocks, at least one.
    pub(super) fn new(width: u16, height: u16) -> Self {
        Self { columns: width.max(1).div_ceil(16), rows: height.max(1).div_ceil(16) }
    }

    pub(super) fn width(self) -> u32 {
        u32::from(self.columns) * 16
    }

    pub(super) fn height(self) -> u32 {
        u32::from(self.rows) * 16
    }

    fn macroblocks(self) -> u32 {
        u32::from(self.columns) * u32::from(self.rows)
    }

    /// What a key frame takes, give or take a dozen bytes.
    pub(super) fn key_frame_bytes(self) -> u64 {
        u64::from(self.macroblocks()) * 386 + 16
    }

    /// §7.3.2.1. Level 4.0 admits 2048 x 1024 pixels; larger pictures still play.
    pub(super) fn sequence_parameters(self) -> Vec<u8> {
        let mut bits = Bits::default();
        bits.fixed(8, PROFILE[0].into());
        bits.fixed(8, PROFILE[1].into());
        bits.fixed(8, PROFILE[2].into());
        bits.golomb(0); // seq_parameter_set_id
        bits.golomb(0); // log2_max_frame_num_minus4
        bits.golomb(2); // pic_order_cnt_type: shown in the order of decoding
        bits.golomb(1); // max_num_ref_frames
        bits.fixed(1, 0); // gaps_in_frame_num_value_allowed_flag
        bits.golomb(u32::from(self.columns) - 1);
        bits.golomb(u32::from(self.rows) - 1);
        bits.fixed(1, 1); // frame_mbs_only_flag
        bits.fixed(1, 1); // direct_8x8_inference_flag
        bits.fixed(1, 0); // frame_cropping_flag
        bits.fixed(1, 0); // vui_parameters_present_flag
        bits.into_nal(0x67)
    }

    /// §7.3.2.2.
    pub(super) fn picture_parameters() -> Vec<u8> {
        let mut bits = Bits::default();
        bits.golomb(0); // pic_parameter_set_id
        bits.golomb(0); // seq_parameter_set_id
        bits.fixed(2, 0); // entropy_coding_mode_flag (CAVLC), bottom_field_pic_order_in_frame_present_flag
        bits.golomb(0); // num_slice_groups_minus1
        bits.golomb(0); // num_ref_idx_l0_default_active_minus1
        bits.golomb(0); // num_ref_idx_l1_default_active_minus1
        bits.fixed(3, 0); // weighted_pred_flag, weighted_bipred_idc
        bits.golomb(0); // pic_init_qp_minus26 (se, 0)
        bits.golomb(0); // pic_init_qs_minus26 (se, 0)
        bits.golomb(0); // chroma_qp_index_offset (se, 0)
        bits.fixed(1, 1); // deblocking_filter_control_present_flag
        bits.fixed(2, 0); // constrained_intra_pred_flag, redundant_pic_cnt_present_flag
        bits.into_nal(0x68)
    }

    /// An IDR picture that holds `picture` as it is. `number` counts the key frames: neighbours must differ in it.
    /// `picture` has the size [`Coder::width`] x [`Coder::height`].
    pub(super) fn key_frame(self, picture: &RgbImage, number: u32) -> Vec<u8> {
        let mut bits = Bits::default();
        bits.golomb(0); // first_mb_in_slice
        bits.golomb(7); // slice_type: I, and so is the whole picture
        bits.golomb(0); // pic_parameter_set_id
        bits.fixed(4, 0); // frame_num
        bits.golomb(number % 2); // idr_pic_id
        bits.fixed(2, 0); // no_output_of_prior_pics_flag, long_term_reference_flag
        bits.golomb(0); // slice_qp_delta (se, 0)
        bits.golomb(1); // disable_deblocking_filter_idc
        for row in 0..u32::from(self.rows) {
            for column in 0..u32::from(self.columns) {
                bits.golomb(25); // mb_type I_PCM
                bits.align();
                macroblock(&mut bits.bytes, picture, column * 16, row * 16);
            }
        }
        bits.into_nal(0x65)
    }

    /// A picture like the one before. `number` counts the frames since the key frame, from 1.
    pub(super) fn repeat_frame(self, number: u32) -> Vec<u8> {
        let mut bits = Bits::default();
        bits.golomb(0); // first_mb_in_slice
        bits.golomb(5); // slice_type: P, and so is the whole picture
        bits.golomb(0); // pic_parameter_set_id
        bits.fixed(4, number % 16); // frame_num
        bits.fixed(1, 0); // num_ref_idx_active_override_flag
        bits.fixed(1, 0); // ref_pic_list_modification_flag_l0
        bits.fixed(1, 0); // adaptive_ref_pic_marking_mode_flag
        bits.golomb(0); // slice_qp_delta (se, 0)
        bits.golomb(1); // disable_deblocking_filter_idc
        bits.golomb(self.macroblocks()); // mb_skip_run
        bits.into_nal(0x41)
    }
}

/// Profile, constraint flags, level as they stand in the sequence parameters and again in the container.
pub(super) const PROFILE: [u8; 3] = [66, 0xC0, 40];

/// 256 samples of luma and 2 x 64 of chroma (BT.601, limited range). None is 0, so that the byte pattern that would need
/// an escape does not come up in them.
fn macroblock(out: &mut Vec<u8>, picture: &RgbImage, left: u32, top: u32) {
    for y in top..top + 16 {
        for x in left..left + 16 {
            let [r, g, b] = picture.get_pixel(x, y).0.map(i32::from);
            out.push(sample(16, 66 * r + 129 * g + 25 * b));
        }
    }
    for weights in [[-38, -74, 112], [112, -94, -18]] {
        for y in (top..top + 16).step_by(2) {
            for x in (left..left + 16).step_by(2) {
                let [r, g, b] = picture.get_pixel(x, y).0.map(i32::from);
                out.push(sample(128, weights[0] * r + weights[1] * g + weights[2] * b));
            }
        }
    }
}

fn sample(base: i32, weighted: i32) -> u8 {
    u8::try_from((base + ((weighted + 128) >> 8)).clamp(16, 240)).unwrap_or(16)
}

/// Bits from the highest down.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    pending: u64,
    /// How many low bits of `pending` are not yet in `bytes`, below 8 between calls.
    pending_bits: u32,
}

impl Bits {
    /// The low `count` bits of `value`; at most 32.
    fn fixed(&mut self, count: u32, value: u32) {
        self.pending = (self.pending << count) | u64::from(value);
        self.pending_bits += count;
        while self.pending_bits >= 8 {
            self.pending_bits -= 8;
            self.bytes.push((self.pending >> self.pending_bits).to_le_bytes()[0]);
            self.pending &= (1 << self.pending_bits) - 1;
        }
    }

    /// Exp-Golomb, §9.1: as many zeros as the number plus one has bits after its first, then that number. A signed 0 has
    /// the same code as an unsigned one.
    fn golomb(&mut self, value: u32) {
        let plus_one = value + 1;
        let bits = plus_one.ilog2();
        self.fixed(bits, 0);
        self.fixed(bits + 1, plus_one);
    }

    fn align(&mut self) {
        if self.pending_bits > 0 {
            self.fixed(8 - self.pending_bits, 0);
        }
    }

    /// Ends the payload, escapes it (§7.4.1: no 00 00 00…03 within) and sets `header` before it.
    fn into_nal(mut self, header: u8) -> Vec<u8> {
        self.fixed(1, 1);
        self.align();
        let mut nal = Vec::with_capacity(self.bytes.len() + 16);
        nal.push(header);
        let mut zeros = 0;
        for byte in self.bytes {
            if zeros == 2 && byte <= 3 {
                nal.push(3);
                zeros = 0;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            nal.push(byte);
        }
        nal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_coded_as_the_standard_lists_them() {
        for (value, code) in [(0, "1"), (1, "010"), (2, "011"), (3, "00100"), (7, "0001000"), (25, "000011010")] {
            let mut bits = Bits::default();
            bits.golomb(value);
            let written: u64 = bits.bytes.iter().fold(0, |all, byte| (all << 8) | u64::from(*byte));
            let all = (written << bits.pending_bits) | bits.pending;
            assert_eq!(all, u64::from_str_radix(code, 2).unwrap(), "{value}");
            assert_eq!(bits.bytes.len() * 8 + bits.pending_bits as usize, code.len(), "{value}");
        }
    }

    #[test]
    fn start_codes_do_not_occur_within_a_unit() {
        let mut bits = Bits::default();
        for byte in [0, 0, 0, 0, 0, 1, 0, 0, 3, 0, 0, 4] {
            bits.fixed(8, byte);
        }
        assert_eq!(bits.into_nal(0x65), [0x65, 0, 0, 3, 0, 0, 3, 0, 1, 0, 0, 3, 3, 0, 0, 4, 0x80]);
    }

    #[test]
    fn a_key_frame_holds_every_sample_once() {
        let coder = Coder::new(40, 20);
        assert_eq!((coder.width(), coder.height()), (48, 32));
        let frame = coder.key_frame(&RgbImage::from_pixel(48, 32, image::Rgb([255, 0, 0])), 0);
        assert!(frame.len().abs_diff(6 * 386) < 16, "{}", frame.len());
        // Red in BT.601: Y 82, Cb 90, Cr 240.
        for (value, count) in [(82, 6 * 256), (90, 6 * 64), (240, 6 * 64)] {
            assert_eq!(frame.iter().filter(|byte| **byte == value).count(), count, "{value}");
        }
        assert!(coder.repeat_frame(1).len() < 12);
    }
}
