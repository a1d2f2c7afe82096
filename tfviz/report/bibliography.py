"""What the report cites: authors, year, title, where it appeared, and its DOI or arXiv number."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """One publication.

    Attributes:
        authors: as the text names them: "Simonyan, Vedaldi, Zisserman".
        year: of the publication that is cited.
        title: in full.
        venue: journal with volume and pages, or conference.
        doi: without "https://doi.org/"; "" if it has none.
        arxiv: its number; "" if it has none.
    """

    authors: str
    year: int
    title: str
    venue: str
    doi: str = ""
    arxiv: str = ""

    @property
    def short(self) -> str:
        """As a text cites it: "Simonyan et al. 2014"."""
        names = self.authors.split(", ")
        who = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
        return f"{who} {self.year}"

    @property
    def url(self) -> str:
        """Where a person finds it; "" if there is nowhere."""
        if self.doi:
            return f"https://doi.org/{self.doi}"
        return f"https://arxiv.org/abs/{self.arxiv}" if self.arxiv else ""


REFERENCES = {
    "araujo2019": Reference(
        "Araujo, Norris, Sim",
        2019,
        "Computing Receptive Fields of Convolutional Neural Networks",
        "Distill",
        doi="10.23915/distill.00021",
    ),
    "blum1992": Reference(
        "Blum, Rivest",
        1992,
        "Training a 3-node neural network is NP-complete",
        "Neural Networks 5(1), 117-127",
        doi="10.1016/S0893-6080(05)80010-3",
    ),
    "carlini2017": Reference(
        "Carlini, Wagner",
        2017,
        "Towards Evaluating the Robustness of Neural Networks",
        "IEEE Symposium on Security and Privacy, 39-57",
        doi="10.1109/SP.2017.49",
        arxiv="1608.04644",
    ),
    "dapello2020": Reference(
        "Dapello, Marques, Schrimpf, Geiger, Cox, DiCarlo",
        2020,
        "Simulating a Primary Visual Cortex at the Front of CNNs Improves Robustness to Image Perturbations",
        "NeurIPS 33; preprint on bioRxiv",
        doi="10.1101/2020.06.16.154542",
    ),
    "erhan2009": Reference(
        "Erhan, Bengio, Courville, Vincent",
        2009,
        "Visualizing Higher-Layer Features of a Deep Network",
        "Technical report 1341, University of Montreal",
    ),
    "fel2023": Reference(
        "Fel, Boissin, Boutin, Picard, Novello, Colin, Linsley, Rousseau, Cadène, Goetschalckx, Gardes, Serre",
        2023,
        "Unlocking Feature Visualization for Deeper Networks with MAgnitude Constrained Optimization",
        "NeurIPS",
        arxiv="2306.06805",
    ),
    "field1987": Reference(
        "Field",
        1987,
        "Relations between the statistics of natural images and the response properties of cortical cells",
        "Journal of the Optical Society of America A 4(12), 2379-2394",
        doi="10.1364/JOSAA.4.002379",
    ),
    "goodfellow2015": Reference(
        "Goodfellow, Shlens, Szegedy",
        2015,
        "Explaining and Harnessing Adversarial Examples",
        "ICLR",
        arxiv="1412.6572",
    ),
    "hanin2017": Reference(
        "Hanin, Sellke",
        2017,
        "Approximating Continuous Functions by ReLU Nets of Minimal Width",
        "",
        arxiv="1710.11278",
    ),
    "he2016": Reference(
        "He, Zhang, Ren, Sun",
        2016,
        "Deep Residual Learning for Image Recognition",
        "CVPR, 770-778",
        doi="10.1109/CVPR.2016.90",
        arxiv="1512.03385",
    ),
    "iandola2016": Reference(
        "Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer",
        2016,
        "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size",
        "",
        arxiv="1602.07360",
    ),
    "krizhevsky2009": Reference(
        "Krizhevsky",
        2009,
        "Learning Multiple Layers of Features from Tiny Images",
        "Technical report, University of Toronto",
    ),
    "krizhevsky2014": Reference(
        "Krizhevsky",
        2014,
        "One weird trick for parallelizing convolutional neural networks",
        "",
        arxiv="1404.5997",
    ),
    "wilson1927": Reference(
        "Wilson",
        1927,
        "Probable Inference, the Law of Succession, and Statistical Inference",
        "Journal of the American Statistical Association 22(158), 209-212",
        doi="10.1080/01621459.1927.10502953",
    ),
    "jehee2009": Reference(
        "Jehee, Ballard",
        2009,
        "Predictive Feedback Can Account for Biphasic Responses in the Lateral Geniculate Nucleus",
        "PLoS Computational Biology 5(5), e1000373",
        doi="10.1371/journal.pcbi.1000373",
    ),
    "judd1988": Reference(
        "Judd",
        1988,
        "On the complexity of loading shallow neural networks",
        "Journal of Complexity 4(3), 177-192",
        doi="10.1016/0885-064X(88)90019-2",
    ),
    "krizhevsky2012": Reference(
        "Krizhevsky, Sutskever, Hinton",
        2012,
        "ImageNet Classification with Deep Convolutional Neural Networks",
        "NeurIPS; reprinted 2017 in Communications of the ACM 60(6), 84-90",
        doi="10.1145/3065386",
    ),
    "luo2016": Reference(
        "Luo, Li, Urtasun, Zemel",
        2016,
        "Understanding the Effective Receptive Field in Deep Convolutional Neural Networks",
        "NeurIPS",
        arxiv="1701.04128",
    ),
    "moisan2011": Reference(
        "Moisan",
        2011,
        "Periodic Plus Smooth Image Decomposition",
        "Journal of Mathematical Imaging and Vision 39, 161-179",
        doi="10.1007/s10851-010-0227-1",
    ),
    "nguyen2015": Reference(
        "Nguyen, Yosinski, Clune",
        2015,
        "Deep Neural Networks are Easily Fooled: High Confidence Predictions for Unrecognizable Images",
        "CVPR, 427-436",
        doi="10.1109/CVPR.2015.7298640",
        arxiv="1412.1897",
    ),
    "olah2017": Reference(
        "Olah, Mordvintsev, Schubert",
        2017,
        "Feature Visualization",
        "Distill",
        doi="10.23915/distill.00007",
    ),
    "ringach2002": Reference(
        "Ringach",
        2002,
        "Spatial Structure and Symmetry of Simple-Cell Receptive Fields in Macaque Primary Visual Cortex",
        "Journal of Neurophysiology 88(1), 455-463",
        doi="10.1152/jn.2002.88.1.455",
    ),
    "ringachshapley2002": Reference(
        "Ringach, Shapley, Hawken",
        2002,
        "Orientation Selectivity in Macaque V1: Diversity and Laminar Dependence",
        "Journal of Neuroscience 22(13), 5639-5651",
        doi="10.1523/JNEUROSCI.22-13-05639.2002",
    ),
    "rony2019": Reference(
        "Rony, Hafemann, Oliveira, Ayed, Sabourin, Granger",
        2019,
        "Decoupling Direction and Norm for Efficient Gradient-Based L2 Adversarial Attacks and Defenses",
        "CVPR, 4317-4325",
        doi="10.1109/CVPR.2019.00445",
        arxiv="1811.09600",
    ),
    "selvaraju2017": Reference(
        "Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra",
        2017,
        "Grad-CAM: Visual Explanations from Deep Networks via Gradient-Based Localization",
        "ICCV, 618-626",
        doi="10.1109/ICCV.2017.74",
        arxiv="1610.02391",
    ),
    "shrikumar2016": Reference(
        "Shrikumar, Greenside, Shcherbina, Kundaje",
        2016,
        "Not Just a Black Box: Learning Important Features Through Propagating Activation Differences",
        "",
        arxiv="1605.01713",
    ),
    "simonyan2014": Reference(
        "Simonyan, Vedaldi, Zisserman",
        2014,
        "Deep Inside Convolutional Networks: Visualising Image Classification Models and Saliency Maps",
        "ICLR Workshop",
        arxiv="1312.6034",
    ),
    "szegedy2014": Reference(
        "Szegedy, Zaremba, Sutskever, Bruna, Erhan, Goodfellow, Fergus",
        2014,
        "Intriguing properties of neural networks",
        "ICLR",
        arxiv="1312.6199",
    ),
    "wang2004": Reference(
        "Wang, Bovik, Sheikh, Simoncelli",
        2004,
        "Image Quality Assessment: From Error Visibility to Structural Similarity",
        "IEEE Transactions on Image Processing 13(4), 600-612",
        doi="10.1109/TIP.2003.819861",
    ),
    "zeiler2014": Reference(
        "Zeiler, Fergus",
        2014,
        "Visualizing and Understanding Convolutional Networks",
        "ECCV, 818-833",
        doi="10.1007/978-3-319-10590-1_53",
        arxiv="1311.2901",
    ),
}
"""By the key that `cite` takes in a template."""
