//! The table as a picture.

use crate::Row;
use plotters::coord::combinators::WithKeyPoints;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use std::path::Path;
use wyze_bench::Error;

/// Draws microseconds a packet over the bit rate, a line for the floor and one for each kind of camera.
pub fn draw(rows: &[Row], file: &Path) -> Result<(), Error> {
    let area = SVGBackend::new(file, (760, 460)).into_drawing_area();
    area.fill(&WHITE)?;
    let most = rows.iter().map(|row| row.wyzesrc).fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(&area)
        .caption("CPU time of watching one camera", ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(52)
        .build_cartesian_2d((1.6_f64..50.0).log_scale().with_key_points(vec![2.0, 8.0, 40.0]), 0.0..most * 1.1)?;
    chart.configure_mesh().x_desc("Mbit/s").y_desc("microseconds a packet").draw()?;
    let kinds = [("transcode", false), ("transcode", true), ("cc51", false), ("cc51", true)];
    for (number, (envelope, is_paced)) in kinds.into_iter().enumerate() {
        let own = || rows.iter().filter(move |row| row.envelope == envelope && row.is_paced == is_paced);
        let pace = if is_paced { "packet by packet" } else { "in bursts" };
        let color = Palette99::pick(number + 1).to_rgba();
        line(&mut chart, own().map(|row| (row.bitrate.into(), row.wyzesrc)), color, &format!("{envelope}, {pace}"))?;
        if envelope == "transcode" {
            let color = BLACK.mix(if is_paced { 0.4 } else { 1.0 });
            line(&mut chart, own().map(|row| (row.bitrate.into(), row.floor)), color, &format!("floor, {pace}"))?;
        }
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK).draw()?;
    area.present()?;
    Ok(())
}

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<WithKeyPoints<LogCoord<f64>>, RangedCoordf64>>;

fn line(
    chart: &mut Chart<'_, '_>,
    points: impl Iterator<Item = (f64, f64)>,
    color: RGBAColor,
    label: &str,
) -> Result<(), Error> {
    let points: Vec<_> = points.collect();
    chart
        .draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(2)))?
        .label(label)
        .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
    chart.draw_series(points.into_iter().map(|point| Circle::new(point, 3, color.filled())))?;
    Ok(())
}
