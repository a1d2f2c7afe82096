"""Colours of ImageNet's pictures, as the networks take them off their inputs. A table: it imports no framework."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Mean red, green and blue of pictures in [0, 1] (torchvision's)."""
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Spread of each (torchvision's)."""
CAFFE_MEAN_BGR = (104.0, 117.0, 123.0)
"""Mean blue, green and red on the scale 0..255, as BVLC rounds it."""
KERAS_MEAN_BGR = (103.939, 116.779, 123.68)
"""Mean blue, green and red on the scale 0..255, of the networks that came to Keras from Caffe."""
