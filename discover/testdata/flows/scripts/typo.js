// /// flow
// nmae: typo
// ///
